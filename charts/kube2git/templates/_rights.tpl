{{/*
What the exporter may read, made from what it exports. Lists only, never `get`: a `get` on everything
would also be a way into Pods and nodes (pods/exec and nodes/proxy are opened with it), and RBAC takes
nothing away again. Answers {"rules": [...]}.
*/}}
{{- define "kube2git.readRules" -}}
{{- $table := .Files.Get "files/kinds.yaml" | fromYaml -}}
{{- $config := .Values.config -}}
{{- $export := dig "export" "kinds" list $config -}}
{{- $selections := list $export -}}
{{- if eq .Values.mode "daemon" -}}
{{- with dig "serve" "schedules" dict $config -}}
{{- $selections = list -}}
{{- range . -}}{{- $selections = append $selections (default $export .kinds) -}}{{- end -}}
{{- end -}}
{{- end -}}
{{- $isAll := false -}}
{{- $seals := not (empty (dig "sealing" "recipients" list $config)) -}}
{{- $names := list -}}
{{- range $selections -}}
{{- $wanted := list -}}
{{- range . -}}
{{- if not (hasPrefix "!" .) -}}{{- $wanted = append $wanted (lower .) -}}{{- end -}}
{{- end -}}
{{- if not $wanted -}}
{{- $isAll = true -}}
{{- if or (has "!secrets" .) (has "!secret" .) -}}{{- $seals = false -}}{{- end -}}
{{- end -}}
{{- $names = concat $names $wanted -}}
{{- end -}}
{{- $rules := list -}}
{{- $groups := .Values.rbac.apiGroups -}}
{{- range $name := uniq $names -}}
{{- if regexMatch "^\\*\\.[a-z0-9.-]+$" $name -}}
{{- $groups = append $groups (trimPrefix "*." $name) -}}
{{- else if regexMatch "[^a-z0-9.-]" $name -}}
{{- $isAll = true -}}
{{- else -}}
{{- $parts := splitn "." 2 $name -}}
{{- $group := default "" $parts._1 -}}
{{- $plural := "" -}}
{{- range $known, $resources := $table -}}
{{- if or (not $group) (eq $group $known) -}}
{{- range $resource, $others := $resources -}}
{{- if or (eq $resource $parts._0) (has $parts._0 $others) -}}{{- $plural = $resource -}}{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if and $plural (not $group) -}}
{{- if or $seals (ne $plural "secrets") -}}
{{- /* Without its group a name stands for the kinds of all groups that are called so. */ -}}
{{- $rules = append $rules (dict "apiGroups" (list "*") "resources" (list $plural) "verbs" (list "list")) -}}
{{- end -}}
{{- else if $plural -}}
{{- $rules = append $rules (dict "apiGroups" (list $group) "resources" (list $plural) "verbs" (list "list")) -}}
{{- else if $group -}}
{{- $groups = append $groups $group -}}
{{- else -}}
{{- $isAll = true -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if and $isAll $seals -}}
{{- $rules = list (dict "apiGroups" (list "*") "resources" (list "*") "verbs" (list "list")) -}}
{{- else if $isAll -}}
{{- $core := without (keys (get $table "")) "secrets" | sortAlpha -}}
{{- range keys $table -}}{{- $groups = append $groups . -}}{{- end -}}
{{- range .Capabilities.APIVersions -}}
{{- $first := first (splitList "/" .) -}}
{{- if and (contains "/" .) (not (regexMatch "^v[0-9]+((alpha|beta)[0-9]+)?$" $first)) -}}{{- $groups = append $groups $first -}}{{- end -}}
{{- end -}}
{{- $rules = list
    (dict "apiGroups" (list "") "resources" $core "verbs" (list "list"))
    (dict "apiGroups" (without (uniq $groups) "" | sortAlpha) "resources" (list "*") "verbs" (list "list")) -}}
{{- else -}}
{{- with uniq $groups | sortAlpha -}}
{{- $rules = append $rules (dict "apiGroups" . "resources" (list "*") "verbs" (list "list")) -}}
{{- end -}}
{{- /* What cleaning must know of other objects: autoscalers, Namespaces, Services, CRDs. */ -}}
{{- $rules = concat $rules (list
    (dict "apiGroups" (list "") "resources" (list "namespaces" "services") "verbs" (list "list"))
    (dict "apiGroups" (list "autoscaling") "resources" (list "horizontalpodautoscalers") "verbs" (list "list"))
    (dict "apiGroups" (list "apiextensions.k8s.io") "resources" (list "customresourcedefinitions") "verbs" (list "list"))) -}}
{{- if .Values.snapshots.enabled -}}
{{- $rules = concat $rules (list
    (dict "apiGroups" (list "") "resources" (list "persistentvolumeclaims" "persistentvolumes" "pods") "verbs" (list "list"))
    (dict "apiGroups" (list "storage.k8s.io") "resources" (list "storageclasses") "verbs" (list "list"))) -}}
{{- end -}}
{{- end -}}
{{- dict "rules" $rules | toJson -}}
{{- end -}}

{{/* What the sidecar may do: snapshots, and a look at the volumes they are of. */}}
{{- define "kube2git.snapshotRules" -}}
- apiGroups: [""]
  resources: [persistentvolumeclaims, persistentvolumes]
  verbs: [get, list]
- apiGroups: [storage.k8s.io]
  resources: [storageclasses]
  verbs: [get, list]
- apiGroups: [snapshot.storage.k8s.io]
  resources: [volumesnapshotclasses]
  verbs: [get, list]
- apiGroups: [snapshot.storage.k8s.io]
  resources: [volumesnapshots, volumesnapshotcontents]
  verbs: [get, list, watch, create, patch, update, delete]
- apiGroups: [""]
  resources: [namespaces]
  resourceNames: [kube-system]
  verbs: [get]
{{- if .Values.snapshots.groups }}
# The API selects the claims of a group by a label, which they bear while they are cut.
- apiGroups: [""]
  resources: [persistentvolumeclaims]
  verbs: [patch]
- apiGroups: [groupsnapshot.storage.k8s.io]
  resources: [volumegroupsnapshotclasses]
  verbs: [get, list]
- apiGroups: [groupsnapshot.storage.k8s.io]
  resources: [volumegroupsnapshots, volumegroupsnapshotcontents]
  verbs: [get, list, watch, create, patch, update, delete]
{{- end }}
{{- end -}}

{{/* What a replay may do. escalate and bind: to bring back Roles it must be able to give any right. */}}
{{- define "kube2git.replayRules" -}}
- apiGroups: ["*"]
  resources: ["*"]
  verbs: [get, list, watch, create, update, patch, delete]
- apiGroups: [rbac.authorization.k8s.io]
  resources: [clusterroles, roles, clusterrolebindings, rolebindings]
  verbs: [escalate, bind]
{{- end -}}
