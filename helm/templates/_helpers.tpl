{{/* The names and labels of everything in the chart. */}}
{{- define "kassa.name" -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{- define "kassa.labels" -}}
app.kubernetes.io/name: kassa
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{- define "kassa.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}

{{- define "kassa.secret" -}}
{{ required "existingSecret: name the Secret with the database URL, the broker URL and the key-encryption key" .Values.existingSecret }}
{{- end -}}

{{/* What every container of Kassa is allowed: nothing but to run. */}}
{{- define "kassa.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{- define "kassa.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{/*
One Deployment. Takes root (the chart's scope), role (the name of the program and of the component), values (the
role's part of values.yaml) and environment (a list of name and value: the role's listening addresses).
*/}}
{{- define "kassa.deployment" -}}
{{- $root := .root -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ include "kassa.name" $root }}-{{ .role }}
  labels:
    {{- include "kassa.labels" $root | nindent 4 }}
    app.kubernetes.io/component: {{ .role }}
spec:
  replicas: {{ .values.replicas }}
  selector:
    matchLabels:
      app.kubernetes.io/name: kassa
      app.kubernetes.io/instance: {{ $root.Release.Name }}
      app.kubernetes.io/component: {{ .role }}
  strategy:
    rollingUpdate:
      maxUnavailable: 0
      maxSurge: 1
  template:
    metadata:
      labels:
        {{- include "kassa.labels" $root | nindent 8 }}
        app.kubernetes.io/component: {{ .role }}
      annotations:
        # A changed configuration restarts the pods; a changed Secret does not, so restart them by hand.
        checksum/config: {{ $root.Values.config | sha256sum }}
        {{- with $root.Values.podAnnotations }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
    spec:
      automountServiceAccountToken: false
      enableServiceLinks: false
      terminationGracePeriodSeconds: {{ $root.Values.terminationGraceSeconds }}
      securityContext:
        {{- include "kassa.podSecurity" $root | nindent 8 }}
      {{- with $root.Values.image.pullSecrets }}
      imagePullSecrets:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      containers:
        - name: {{ .role }}
          image: {{ include "kassa.image" $root | quote }}
          imagePullPolicy: {{ $root.Values.image.pullPolicy }}
          command: [{{ .role }}]
          env:
            {{- toYaml .environment | nindent 12 }}
          envFrom:
            - secretRef:
                name: {{ include "kassa.secret" $root | quote }}
          ports:
            {{- if .values.port }}
            - name: main
              containerPort: {{ .values.port }}
            {{- end }}
            - name: admin
              containerPort: {{ $root.Values.adminPort }}
          # Start-up connects to the database and the broker and checks the schema before it listens.
          startupProbe:
            httpGet: { path: /healthz, port: admin }
            periodSeconds: 2
            failureThreshold: 60
          readinessProbe:
            httpGet: { path: /readyz, port: admin }
            periodSeconds: 5
          # Not /readyz: killing a process does not bring its database back.
          livenessProbe:
            httpGet: { path: /healthz, port: admin }
            periodSeconds: 10
            failureThreshold: 6
          lifecycle:
            preStop:
              exec:
                command: [sleep, {{ $root.Values.drainDelaySeconds | quote }}]
          resources:
            {{- toYaml .values.resources | nindent 12 }}
          securityContext:
            {{- include "kassa.containerSecurity" $root | nindent 12 }}
          volumeMounts:
            - name: config
              mountPath: /etc/kassa
              readOnly: true
      volumes:
        - name: config
          configMap:
            name: {{ include "kassa.name" $root }}-config
      {{- with $root.Values.nodeSelector }}
      nodeSelector:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with $root.Values.tolerations }}
      tolerations:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with $root.Values.affinity }}
      affinity:
        {{- toYaml . | nindent 8 }}
      {{- end }}
{{- end -}}
