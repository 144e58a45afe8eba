{{/*
Exit codes where another try would come to the same end at once: usage (2), incomplete (3), refused
(5), no repository (10), denied by the API server (21). The Job's condition then names the code.
*/}}
{{- define "kube2git.failurePolicy" -}}
podFailurePolicy:
  rules:
    - action: Ignore
      onPodConditions:
        - {type: DisruptionTarget, status: "True"}
    - action: FailJob
      onExitCodes:
        containerName: kube2git
        operator: In
        values: [2, 3, 5, 10, 21]
{{- end -}}
