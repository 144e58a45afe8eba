{{/* The configuration, as an object: `config`, and what follows from other values. */}}
{{- define "kube2git.config" -}}
{{- $config := deepCopy .Values.config -}}
{{- if and .Values.rbac.namespaced (not (dig "export" "cluster_scoped" "" $config)) -}}
{{- $config = mergeOverwrite $config (dict "export" (dict "cluster_scoped" "no")) -}}
{{- end -}}
{{- if and (eq .Values.mode "daemon") (not (dig "serve" "schedules" dict $config)) -}}
{{- $own := dict "when" .Values.schedule -}}
{{- if .Values.timeZone -}}{{- $_ := set $own "time_zone" .Values.timeZone -}}{{- end -}}
{{- $config = mergeOverwrite $config (dict "serve" (dict "schedules" (dict "export" $own))) -}}
{{- end -}}
{{- toYaml $config -}}
{{- end -}}

{{/* Refuse combinations that would fail later, or not do what they seem to. */}}
{{- define "kube2git.validate" -}}
{{- $_ := required "config.repo is missing: say --set config.repo=ssh://git@git.example.com/state.git" .Values.config.repo -}}
{{- if .Values.rbac.namespaced -}}
{{- $namespaces := dig "export" "namespaces" list .Values.config -}}
{{- if not $namespaces -}}
{{- fail "rbac.namespaced needs the namespaces by name: set config.export.namespaces" -}}
{{- end -}}
{{- range $namespaces -}}
{{- if regexMatch "[^a-z0-9-]" . -}}
{{- fail (printf "rbac.namespaced needs the namespaces by name, and %s is a pattern" .) -}}
{{- end -}}
{{- end -}}
{{- if eq (dig "export" "cluster_scoped" "no" .Values.config) "yes" -}}
{{- fail "config.export.cluster_scoped: yes needs cluster-wide rights: set rbac.namespaced to false" -}}
{{- end -}}
{{- if .Values.snapshots.enabled -}}
{{- fail "snapshots need cluster-wide rights, since volumes belong to no namespace: set rbac.namespaced to false" -}}
{{- end -}}
{{- end -}}
{{- if and .Values.serviceMonitor.enabled (ne .Values.mode "daemon") -}}
{{- fail "serviceMonitor.enabled needs mode: daemon; a Job has no metrics to ask for" -}}
{{- end -}}
{{- if and .Values.dashboard.enabled (ne .Values.mode "daemon") -}}
{{- fail "dashboard.enabled needs mode: daemon; a Job has no metrics to show" -}}
{{- end -}}
{{- if and (gt (int .Values.daemon.replicas) 1) .Values.persistence.enabled (not (has "ReadWriteMany" .Values.persistence.accessModes)) -}}
{{- fail "daemon.replicas above 1 with persistence needs persistence.accessModes: [ReadWriteMany]" -}}
{{- end -}}
{{- end -}}
