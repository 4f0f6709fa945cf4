{{- define "scopegate.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "scopegate.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains (include "scopegate.name" .) .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "scopegate.name" .) | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "scopegate.selector" -}}
app.kubernetes.io/name: {{ include "scopegate.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: gateway
{{- end -}}

{{- define "scopegate.labels" -}}
{{ include "scopegate.commonLabels" . }}
app.kubernetes.io/component: gateway
{{- end -}}

{{- define "scopegate.commonLabels" -}}
app.kubernetes.io/name: {{ include "scopegate.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "scopegate.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}{{ .repository }}@{{ .digest }}{{- else -}}{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}{{- end -}}
{{- end -}}
{{- end -}}

{{- define "scopegate.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}{{ .Values.serviceAccount.name | default (include "scopegate.fullname" .) }}{{- else -}}{{ .Values.serviceAccount.name | default "default" }}{{- end -}}
{{- end -}}

{{- define "scopegate.adminSecret" -}}
{{ .Values.admin.existingSecret | default (printf "%s-admin" (include "scopegate.fullname" .)) }}
{{- end -}}

{{- define "scopegate.authorizationServer" -}}
{{ include "scopegate.fullname" . }}-authorization-server
{{- end -}}

{{- define "scopegate.gatewayTokenSecret" -}}
{{ .Values.authorizationServer.existingSecret | default (printf "%s-gateway-token" (include "scopegate.fullname" .)) }}
{{- end -}}

{{/* A secret that is made once: an upgrade finds it and keeps it. */}}
{{- define "scopegate.kept" -}}
{{- $found := lookup "v1" "Secret" .context.Release.Namespace .name -}}
{{- if and $found $found.data (index $found.data .key) -}}{{ index $found.data .key }}{{- else -}}{{ randAlphaNum 40 | b64enc }}{{- end -}}
{{- end -}}

{{/* Whole seconds of a duration of the gateway file, rounded up. */}}
{{- define "scopegate.seconds" -}}
{{- if hasSuffix "ms" . -}}{{ divf (trimSuffix "ms" . | atoi) 1000 | ceil | int }}
{{- else if hasSuffix "s" . -}}{{ trimSuffix "s" . | atoi }}
{{- else if hasSuffix "m" . -}}{{ mul 60 (trimSuffix "m" . | atoi) }}
{{- else if hasSuffix "h" . -}}{{ mul 3600 (trimSuffix "h" . | atoi) }}
{{- end -}}
{{- end -}}

{{- define "scopegate.scheme" -}}
{{- if .Values.tls.secrets -}}https{{- else -}}http{{- end -}}
{{- end -}}

{{- define "scopegate.policyGlobs" -}}
{{- if .Values.policies }}
- policies/*.yaml
{{- end }}
{{- range .Values.policyConfigMaps }}
- policies/{{ .name }}/*.yaml
{{- end }}
{{- end -}}

{{- define "scopegate.listener" -}}
address: {{ printf "%s:%v" .Values.listener.address .Values.listener.port | quote }}
protocols: {{ toJson .Values.listener.protocols }}
{{- with .Values.listener.publicUrl }}
public_url: {{ . | quote }}
{{- end }}
{{- with .Values.listener.trustedPeers }}
trusted_peers: {{ toJson . }}
{{- end }}
{{- with .Values.tls }}
{{- if .secrets }}
tls:
  certificates:
    {{- range .secrets }}
    - {chain: {{ printf "tls/%s/tls.crt" . | quote }}, key: {{ printf "tls/%s/tls.key" . | quote }}}
    {{- end }}
  min_version: {{ .minVersion | quote }}
  {{- if .clientCa.secret }}
  client_ca: tls/client-ca/{{ .clientCa.key }}
  {{- end }}
  client_certificate: {{ .clientCertificate }}
{{- end }}
{{- end }}
{{- end -}}

{{/* The gateway file. */}}
{{- define "scopegate.gatewayFile" -}}
{{- $file := deepCopy .Values.gateway -}}
{{- with .Values.authorizationServer -}}
{{- if .enabled -}}
{{- $token := dict "file" "secrets/authorization-server/token" -}}
{{- $issuer := dict "issuer" .issuer "audience" .audience "keys" (dict "discovery" true) "revocations" (dict "url" (printf "%s/oauth/revocations" .issuer) "token" $token) -}}
{{- $_ := set $file "issuers" (append (default list $file.issuers) $issuer) -}}
{{- if .roleDirectory -}}
{{- $_ := set $file "roles" (dict "directory" (dict "url" (printf "%s/api/v1/role-directory" .issuer) "token" $token)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if not $file.issuers -}}{{- $_ := unset $file "issuers" -}}{{- end -}}
{{- $_ := set $file "listeners" (list (include "scopegate.listener" . | fromYaml)) -}}
{{- $_ := set $file "admin" (dict "address" (printf "%s:%v" .Values.listener.address .Values.admin.port) "token" (dict "file" "secrets/admin/token") "open_metrics" .Values.admin.openMetrics) -}}
{{- $_ := set $file "policy" (include "scopegate.policyGlobs" . | fromYamlArray) -}}
{{ toYaml $file }}
{{- end -}}

{{/* What takes effect at a restart only: its change makes new pods, every other change reloads. */}}
{{- define "scopegate.restarts" -}}
{{- $limits := .Values.gateway.limits | default dict -}}
{{ list .Values.listener.address .Values.listener.port .Values.listener.protocols (empty .Values.tls.secrets) .Values.admin .Values.gateway.workers $limits.connections $limits.remembered_tokens | toJson | sha256sum }}
{{- end -}}

{{/* What both servers read of policies: sources of a projected volume, whose files the kubelet swaps all at once. */}}
{{- define "scopegate.policySources" -}}
{{- if .Values.policies }}
- configMap:
    name: {{ include "scopegate.fullname" . }}-policies
    items:
      {{- range $name, $_ := .Values.policies }}
      - {key: {{ $name | quote }}, path: {{ printf "policies/%s" $name | quote }}}
      {{- end }}
{{- end }}
{{- range $source := .Values.policyConfigMaps }}
- configMap:
    name: {{ $source.name }}
    items:
      {{- range $source.keys }}
      - {key: {{ . | quote }}, path: {{ printf "policies/%s/%s" $source.name . | quote }}}
      {{- end }}
{{- end }}
{{- end -}}

{{/* The profile `restricted` of the pod security standards, and a root that is read only. */}}
{{- define "scopegate.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "scopegate.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
privileged: false
capabilities: {drop: [ALL]}
{{- end -}}

{{- define "scopegate.authorizationServerSelector" -}}
app.kubernetes.io/name: {{ include "scopegate.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: authorization-server
{{- end -}}
