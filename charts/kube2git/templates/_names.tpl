{{- define "kube2git.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* Short enough for the suffixes below, and for the 52 characters that a CronJob's name may have. */}}
{{- define "kube2git.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- $name := include "kube2git.name" . -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "kube2git.selectorLabels" -}}
app.kubernetes.io/name: {{ include "kube2git.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "kube2git.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{ include "kube2git.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "kube2git.serviceAccount" -}}
{{- default (include "kube2git.fullname" .) .Values.serviceAccount.name -}}
{{- end -}}

{{- define "kube2git.snapshotsAccount" -}}
{{- default (printf "%s-snapshots" (include "kube2git.fullname" .)) .Values.snapshots.serviceAccount.name -}}
{{- end -}}

{{/* Cluster-scoped names carry the namespace: two releases of one name must not meet. */}}
{{- define "kube2git.clusterName" -}}
{{- printf "%s-%s" .Release.Namespace (include "kube2git.fullname" .) -}}
{{- end -}}

{{- define "kube2git.image" -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) -}}
{{- end -}}
{{- end -}}
