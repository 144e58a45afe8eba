{{/*
Parts of the Pods. Each is called with a dict: root, the chart's own values and names; component, what
the Pod is for; account, whose identity it has; snapshots, whether it has the sidecar; history, whether
it needs commits of the past; annotations, of its own.
*/}}

{{- define "kube2git.podMetadata" -}}
labels:
  {{- include "kube2git.labels" .root | nindent 2 }}
  app.kubernetes.io/component: {{ .component }}
  {{- with .root.Values.podLabels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- $annotations := merge (default dict .annotations) .root.Values.podAnnotations }}
{{- if .snapshots }}
{{- /* Rights in the cloud, like those in the cluster, are the sidecar's alone. */}}
{{- $annotations = merge (dict "eks.amazonaws.com/skip-containers" "kube2git" "azure.workload.identity/skip-containers" "kube2git") $annotations }}
{{- end }}
{{- with $annotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "kube2git.podPlacing" -}}
serviceAccountName: {{ .account }}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  {{- toYaml .root.Values.podSecurityContext | nindent 2 }}
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .root.Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .root.Values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .root.Values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .root.Values.affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .root.Values.topologySpreadConstraints }}
topologySpreadConstraints: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "kube2git.container" -}}
image: {{ include "kube2git.image" .root }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
securityContext:
  {{- toYaml .root.Values.securityContext | nindent 2 }}
# The last lines of a failed run say why it failed.
terminationMessagePolicy: FallbackToLogsOnError
{{- end -}}

{{- define "kube2git.env" -}}
{{- $git := .root.Values.git -}}
{{- $config := .root.Values.config -}}
- name: HOME
  value: /var/lib/kube2git
- name: KUBE2GIT_CONFIG
  value: /etc/kube2git/kube2git.yaml
{{- if and $git.existingSecret (hasPrefix "http" $config.repo) }}
- name: KUBE2GIT_GIT_PASSWORD_FILE
  value: /etc/kube2git-git/token
{{- else if $git.existingSecret }}
- name: KUBE2GIT_GIT_SSH_KEY_FILE
  value: /etc/kube2git-git/ssh_key
- name: KUBE2GIT_GIT_KNOWN_HOSTS_FILE
  value: /etc/kube2git-git/known_hosts
{{- end }}
{{- if $git.caSecret }}
- name: KUBE2GIT_GIT_CA_FILE
  value: /etc/kube2git-ca/ca.crt
{{- end }}
{{- if $git.signingSecret }}
- name: KUBE2GIT_GIT_SIGNING
  value: ssh
- name: KUBE2GIT_GIT_SIGNING_KEY
  value: /etc/kube2git-signing/key
{{- end }}
{{- if dig "sealing" "recipients" list $config }}
- name: KUBE2GIT_SEALING_FINGERPRINT_KEY_FILE
  value: /etc/kube2git-fingerprint/fingerprint.key
{{- end }}
{{- if not .root.Values.persistence.enabled }}
{{- if not (hasKey (default dict $config.git) "depth") }}
- name: KUBE2GIT_GIT_DEPTH
  value: {{ ternary "0" "1" (default false .history) | quote }}
{{- end }}
{{- if not (hasKey (default dict $config.git) "partial") }}
- name: KUBE2GIT_GIT_PARTIAL
  value: "true"
{{- end }}
{{- end }}
{{- if .snapshots }}
- name: KUBE2GIT_SNAPSHOTS_ENABLED
  value: "true"
- name: KUBE2GIT_SNAPSHOTS_LEASE_NAMESPACE
  value: {{ .root.Release.Namespace }}
- name: KUBE2GIT_SNAPSHOTS_SOCKET
  value: /run/kube2git/snapshots.sock
{{- end }}
{{- end -}}

{{- define "kube2git.mounts" -}}
- name: config
  mountPath: /etc/kube2git
  readOnly: true
- name: token
  mountPath: /var/run/secrets/kubernetes.io/serviceaccount
  readOnly: true
- name: data
  mountPath: /var/lib/kube2git
- name: tmp
  mountPath: /tmp
{{- if .root.Values.git.existingSecret }}
- name: git
  mountPath: /etc/kube2git-git
  readOnly: true
{{- end }}
{{- if .root.Values.git.caSecret }}
- name: git-ca
  mountPath: /etc/kube2git-ca
  readOnly: true
{{- end }}
{{- if .root.Values.git.signingSecret }}
- name: git-signing
  mountPath: /etc/kube2git-signing
  readOnly: true
{{- end }}
{{- if dig "sealing" "recipients" list .root.Values.config }}
- name: fingerprint
  mountPath: /etc/kube2git-fingerprint
  readOnly: true
{{- end }}
{{- if .snapshots }}
- name: socket
  mountPath: /run/kube2git
{{- end }}
{{- end -}}

{{- define "kube2git.boundToken" -}}
projected:
  defaultMode: 0440
  sources:
    - serviceAccountToken:
        path: token
        expirationSeconds: 3600
    - configMap:
        name: kube-root-ca.crt
        items:
          - {key: ca.crt, path: ca.crt}
    - downwardAPI:
        items:
          - path: namespace
            fieldRef: {apiVersion: v1, fieldPath: metadata.namespace}
{{- end -}}

{{- define "kube2git.volumes" -}}
{{- $git := .root.Values.git -}}
- name: config
  configMap:
    name: {{ include "kube2git.fullname" .root }}
    defaultMode: 0440
- name: token
  {{- if .snapshots }}
  secret:
    secretName: {{ include "kube2git.fullname" .root }}-exporter-token
    defaultMode: 0440
    # Named one by one, so that the Pod waits until the token is there.
    items:
      - {key: token, path: token}
      - {key: ca.crt, path: ca.crt}
      - {key: namespace, path: namespace}
  {{- else }}
  {{- include "kube2git.boundToken" .root | nindent 2 }}
  {{- end }}
- name: data
  {{- if .root.Values.persistence.enabled }}
  persistentVolumeClaim:
    claimName: {{ default (include "kube2git.fullname" .root) .root.Values.persistence.existingClaim }}
  {{- else }}
  emptyDir:
    sizeLimit: {{ .root.Values.persistence.size }}
  {{- end }}
- name: tmp
  emptyDir:
    sizeLimit: {{ .root.Values.persistence.size }}
{{- if $git.existingSecret }}
- name: git
  secret:
    secretName: {{ $git.existingSecret }}
    defaultMode: 0440
    items:
      {{- if hasPrefix "http" .root.Values.config.repo }}
      - {key: {{ $git.keys.token }}, path: token}
      {{- else }}
      - {key: {{ $git.keys.sshKey }}, path: ssh_key}
      - {key: {{ $git.keys.knownHosts }}, path: known_hosts}
      {{- end }}
{{- end }}
{{- if $git.caSecret }}
- name: git-ca
  secret:
    secretName: {{ $git.caSecret }}
    defaultMode: 0440
    items:
      - {key: {{ $git.caKey }}, path: ca.crt}
{{- end }}
{{- if $git.signingSecret }}
- name: git-signing
  secret:
    secretName: {{ $git.signingSecret }}
    defaultMode: 0440
    items:
      - {key: {{ $git.signingKey }}, path: key}
{{- end }}
{{- if dig "sealing" "recipients" list .root.Values.config }}
- name: fingerprint
  secret:
    secretName: {{ default (printf "%s-fingerprint" (include "kube2git.fullname" .root)) .root.Values.fingerprintKey.existingSecret }}
    defaultMode: 0440
    items:
      - {key: {{ .root.Values.fingerprintKey.key }}, path: fingerprint.key}
{{- end }}
{{- if .snapshots }}
- name: socket
  emptyDir:
    sizeLimit: 1Mi
- name: sidecar-token
  {{- include "kube2git.boundToken" .root | nindent 2 }}
- name: sidecar-tmp
  emptyDir:
    sizeLimit: 256Mi
{{- end }}
{{- end -}}

{{- define "kube2git.sidecar" -}}
- name: snapshots
  {{- include "kube2git.container" . | nindent 2 }}
  # A native sidecar: it is up before the exporter begins, and does not keep a Job from its end.
  restartPolicy: Always
  command: [kube2git]
  args: [sidecar, --socket, /run/kube2git/snapshots.sock]
  env:
    - name: HOME
      value: /tmp
    - name: KUBE2GIT_CONFIG
      value: /etc/kube2git/kube2git.yaml
    {{- with .root.Values.snapshots.env }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  startupProbe:
    exec:
      command: [test, -S, /run/kube2git/snapshots.sock]
    periodSeconds: 1
    failureThreshold: 60
  resources:
    {{- toYaml .root.Values.snapshots.resources | nindent 4 }}
  volumeMounts:
    - name: config
      mountPath: /etc/kube2git
      readOnly: true
    - name: sidecar-token
      mountPath: /var/run/secrets/kubernetes.io/serviceaccount
      readOnly: true
    - name: socket
      mountPath: /run/kube2git
    - name: sidecar-tmp
      mountPath: /tmp
{{- end -}}
