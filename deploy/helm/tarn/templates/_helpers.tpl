{{- define "tarn.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- /* 52 letters: the name of a pod's revision adds eleven. */ -}}
{{- define "tarn.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- $name := include "tarn.name" . -}}
{{- ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "tarn.headless" -}}
{{- printf "%s-headless" (include "tarn.fullname" .) -}}
{{- end -}}

{{- define "tarn.selector" -}}
app.kubernetes.io/name: {{ include "tarn.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "tarn.labels" -}}
{{ include "tarn.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "tarn.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "tarn.serviceAccount" -}}
{{- .Values.serviceAccount.existingName | default (include "tarn.fullname" .) -}}
{{- end -}}

{{- define "tarn.authSecret" -}}
{{- .Values.auth.existingSecret | default (printf "%s-auth" (include "tarn.fullname" .)) -}}
{{- end -}}

{{- /* Empty: no TLS. */ -}}
{{- define "tarn.tlsSecret" -}}
{{- if .Values.tls.existingSecret -}}
{{- .Values.tls.existingSecret -}}
{{- else if .Values.tls.certManager.enabled -}}
{{- printf "%s-tls" (include "tarn.fullname" .) -}}
{{- end -}}
{{- end -}}

{{- define "tarn.scheme" -}}
{{- ternary "https" "http" (ne (include "tarn.tlsSecret" .) "") -}}
{{- end -}}

{{- /* The names under which the cluster finds the server, longest last. */ -}}
{{- define "tarn.dnsNames" -}}
{{- $service := printf "%s.%s" (include "tarn.fullname" .) .Release.Namespace -}}
{{- $pod := printf "%s-0.%s.%s" (include "tarn.fullname" .) (include "tarn.headless" .) .Release.Namespace -}}
{{- $names := list -}}
{{- range list $service $pod -}}
{{- $names = concat $names (list . (printf "%s.svc" .) (printf "%s.svc.%s" . $.Values.clusterDomain)) -}}
{{- end -}}
{{- toYaml $names -}}
{{- end -}}

{{- /* Names with a dot that a request may carry: of the Services and of whatever leads to them. */ -}}
{{- define "tarn.hosts" -}}
{{- $http := .Values.config.http | default dict -}}
{{- $own := $http.hosts | default list -}}
{{- if kindIs "string" $own -}}{{- $own = splitList "," $own -}}{{- end -}}
{{- $names := concat (include "tarn.dnsNames" . | fromYamlArray) $own -}}
{{- if .Values.ingress.enabled -}}{{- $names = concat $names .Values.ingress.hosts -}}{{- end -}}
{{- if .Values.gateway.http.enabled -}}{{- $names = concat $names .Values.gateway.http.hostnames -}}{{- end -}}
{{- if .Values.gateway.grpc.enabled -}}{{- $names = concat $names .Values.gateway.grpc.hostnames -}}{{- end -}}
{{- if .Values.tls.certManager.enabled -}}{{- $names = concat $names .Values.tls.certManager.dnsNames -}}{{- end -}}
{{- toYaml (uniq $names) -}}
{{- end -}}

{{- /* tarn.yaml: what is configured, and over it what the chart decides. */ -}}
{{- define "tarn.config" -}}
{{- $listen := dict "http" "0.0.0.0:4320" "otlp_grpc" "0.0.0.0:4317" "otlp_http" "0.0.0.0:4318" -}}
{{- $own := dict "listen" $listen -}}
{{- $_ := set $own "storage" (dict "path" "/data") -}}
{{- $_ := set $own "http" (dict "hosts" (include "tarn.hosts" . | fromYamlArray)) -}}
{{- if .Values.auth.enabled -}}
{{- $auth := dict "file" "/run/tarn/auth/auth.yaml" -}}
{{- if not (include "tarn.tlsSecret" .) -}}{{- $_ := set $auth "plain_http" .Values.auth.plainHttp -}}{{- end -}}
{{- $_ := set $own "auth" $auth -}}
{{- else -}}
{{- $_ := set $listen "insecure_bind" true -}}
{{- end -}}
{{- if include "tarn.tlsSecret" . -}}
{{- $tls := dict "certificate" "/run/tarn/tls/tls.crt" "key" "/run/tarn/tls/tls.key" -}}
{{- if ne .Values.tls.clientAuth "off" -}}
{{- $_ := set $tls "client_auth" .Values.tls.clientAuth -}}
{{- $_ := set $tls "client_ca" "/run/tarn/tls/ca.crt" -}}
{{- end -}}
{{- $_ := set $listen "tls" $tls -}}
{{- end -}}
{{- toYaml (mergeOverwrite (deepCopy .Values.config) $own) -}}
{{- end -}}

{{- /* "restricted" of the Pod Security Standards, and a root that cannot be written. */ -}}
{{- define "tarn.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "tarn.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{- define "tarn.probe" -}}
httpGet:
  path: {{ .path }}
  port: http
  scheme: {{ include "tarn.scheme" .root | upper }}
{{- end -}}
