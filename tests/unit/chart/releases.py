"""The installations that the golden files show, one for each way to run kube2git."""

from __future__ import annotations

from typing import Any

REPO = "ssh://git@git.example.com/state.git"
RECIPIENT = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"

RELEASES: dict[str, dict[str, Any]] = {
    "cronjob": {"config": {"repo": REPO}, "git": {"existingSecret": "git"}},
    "daemon": {
        "mode": "daemon",
        "config": {
            "repo": "https://git.example.com/state.git",
            "sealing": {"recipients": [RECIPIENT]},
        },
        "git": {"existingSecret": "git", "caSecret": "ca", "signingSecret": "signer"},
        "fingerprintKey": {"existingSecret": "fingerprint"},
        "timeZone": "Europe/Berlin",
        "persistence": {"enabled": True, "storageClass": "fast"},
        "serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
        "prometheusRule": {"enabled": True},
        "networkPolicy": {
            "enabled": True,
            "ingressFrom": [{"namespaceSelector": {"matchLabels": {"name": "monitoring"}}}],
        },
        "podAnnotations": {"example.com/team": "platform"},
        "podLabels": {"example.com/tier": "ops"},
        "priorityClassName": "ops",
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "tolerations": [{"key": "ops", "operator": "Exists"}],
        "topologySpreadConstraints": [
            {
                "maxSkew": 1,
                "topologyKey": "topology.kubernetes.io/zone",
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": {"matchLabels": {"app.kubernetes.io/instance": "state"}},
            }
        ],
    },
    "snapshots": {
        "config": {"repo": REPO},
        "git": {"existingSecret": "git"},
        "snapshots": {
            "enabled": True,
            "hooks": True,
            "groups": True,
            "env": [{"name": "AWS_REGION", "value": "eu-central-1"}],
            "serviceAccount": {
                "annotations": {"eks.amazonaws.com/role-arn": "arn:aws:iam::111122223333:role/k2g"}
            },
        },
        "prometheusRule": {"enabled": True},
    },
    "namespaced": {
        "config": {
            "repo": REPO,
            "export": {"namespaces": ["shop", "payments"]},
            "sealing": {"recipients": [RECIPIENT]},
        },
        "fingerprintKey": {"existingSecret": "fingerprint"},
        "rbac": {"namespaced": True},
        "replay": {"enabled": True, "identitySecret": "age"},
        "cronjob": {"suspend": True},
    },
    "kinds": {
        "config": {
            "repo": REPO,
            "export": {
                "kinds": ["deploy", "statefulset.apps", "*.example.com", "secrets", "!jobs"]
            },
        },
        "replay": {"enabled": True, "revision": "main@{yesterday}", "args": ["--yes"]},
    },
}
