{{/* Names are fixed: two daemons on one node would fight over the same links, so two releases must collide. */}}
{{- define "enforcer.name" -}}
enforcer
{{- end }}

{{- define "enforcer.selector" -}}
app.kubernetes.io/name: enforcer
app.kubernetes.io/component: daemon
{{- end }}

{{- define "enforcer.labels" -}}
app.kubernetes.io/name: enforcer
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{- end }}

{{- define "enforcer.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end }}

{{/* Where the daemon listens. An address of the node is known on the node only. */}}
{{- define "enforcer.listen" -}}
{{- if eq .address "node" -}}
$(HOST_IP):{{ .port }}
{{- else -}}
{{ .address }}:{{ .port }}
{{- end -}}
{{- end }}

{{- define "enforcer.hubbleTls" -}}
{{- if and .Values.hubble.enabled .Values.hubble.tls.secretName -}}
true
{{- end -}}
{{- end }}

{{- define "enforcer.exportFile" -}}
{{- if and .Values.export.enabled (eq .Values.export.to "file") -}}
true
{{- end -}}
{{- end }}

{{/* The kubelet probes the pod's address, which is the node's, unless told otherwise. */}}
{{- define "enforcer.probe" -}}
httpGet:
  path: {{ .path }}
  port: http
  {{- if eq .root.Values.http.address "127.0.0.1" }}
  host: 127.0.0.1
  {{- end }}
{{- end }}

{{/* What `--cluster` must be told where the daemons are not where it looks for them. */}}
{{- define "enforcer.elsewhere" -}}
{{- if ne .Release.Namespace "enforcer-system" }} --enforcer-namespace {{ .Release.Namespace }}{{ end -}}
{{- end }}

{{- define "enforcer.admissionPolicy" -}}
{{- $has := .Capabilities.APIVersions.Has "admissionregistration.k8s.io/v1/ValidatingAdmissionPolicy" -}}
{{- if and .Values.policyEnforcements.enabled (or (eq .Values.admissionPolicy "always") (and (eq .Values.admissionPolicy "auto") $has)) -}}
true
{{- end -}}
{{- end }}

{{- define "enforcer.checkValues" -}}
{{- if and .Values.podMonitor.enabled (eq .Values.http.address "127.0.0.1") }}
{{- fail "podMonitor.enabled needs http.address=node (or 0.0.0.0 or [::]): Prometheus cannot reach 127.0.0.1 of the nodes" }}
{{- end }}
{{- with .Values.hubble }}
{{- if and .enabled (ne .address "127.0.0.1") (not .tls.secretName) (not .tls.insecure) }}
{{- fail "hubble.enabled needs hubble.tls.secretName; or hubble.address=127.0.0.1; or hubble.tls.insecure=true, which shows all flows to whoever reaches the port" }}
{{- end }}
{{- end }}
{{- end }}
