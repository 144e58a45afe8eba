"""Where common custom resources name namespaces. Data only.

Sources are the project and the field of its API. A kind that is missing here is still covered by
the heuristic, whose rewrites the plan lists one by one.
"""

from __future__ import annotations

from kube2git.core.remap.forms import Form
from kube2git.core.remap.references import ReferenceRule as Rule

_GATEWAY = "gateway.networking.k8s.io"
_ROUTES = tuple(f"{kind}Route.{_GATEWAY}" for kind in ("HTTP", "GRPC", "TCP", "TLS", "UDP"))
_LISTENER_SETS = (f"ListenerSet.{_GATEWAY}", "XListenerSet.gateway.networking.x-k8s.io")
_LISTENERS = (f"Gateway.{_GATEWAY}", *_LISTENER_SETS)
_ISSUERS = ("Issuer.cert-manager.io", "ClusterIssuer.cert-manager.io")
_CERTIFICATE = ("Certificate.cert-manager.io",)
_MONITORS = ("ServiceMonitor.monitoring.coreos.com", "PodMonitor.monitoring.coreos.com")
_SERVERS = tuple(
    f"{kind}.monitoring.coreos.com"
    for kind in ("Prometheus", "PrometheusAgent", "Alertmanager", "ThanosRuler")
)
_PROBE = ("Probe.monitoring.coreos.com",)
_SCRAPE = ("ScrapeConfig.monitoring.coreos.com",)
_FLUX = ("*.toolkit.fluxcd.io",)
_ARGO = ("Application.argoproj.io", "ApplicationSet.argoproj.io")
_PROJECT = ("AppProject.argoproj.io",)
_VIRTUAL_SERVICE = ("VirtualService.networking.istio.io",)
_ISTIO = ("*.networking.istio.io",)
_AUTHORIZATION = ("AuthorizationPolicy.security.istio.io",)
_SECRET_STORES = ("ClusterSecretStore.external-secrets.io",)
_CLUSTER_SECRET = ("ClusterExternalSecret.external-secrets.io",)
_CLUSTER_SECRETS = (*_CLUSTER_SECRET, "ClusterPushSecret.external-secrets.io")
_INGRESS_ROUTES = ("IngressRoute*.traefik.io", "IngressRoute*.traefik.containo.us")
_TRAEFIK = ("Middleware*.traefik.io", "Middleware*.traefik.containo.us")
_TRAEFIK_SERVICE = ("TraefikService.traefik.io", "TraefikService.traefik.containo.us")
_KYVERNO = ("*.kyverno.io",)
_CROSSPLANE = ("*.crossplane.io", "*.upbound.io")
_CLUSTER_API = ("*.cluster.x-k8s.io",)
_CILIUM = ("CiliumNetworkPolicy.cilium.io", "CiliumClusterwideNetworkPolicy.cilium.io")
_VELERO = ("Backup.velero.io", "Schedule.velero.io", "Restore.velero.io")
_KNATIVE = ("*.knative.dev",)

# fmt: off
RULES: tuple[Rule, ...] = (
    # ── Gateway API ──────────────────────────────────────────────────────────────────────────
    Rule(
        "route-parent", _ROUTES, "spec.parentRefs[+].namespace", Form.NAMESPACE,
        "The Gateway that the route hangs on.", "Gateway API: ParentReference",
    ),
    Rule(
        "route-backend", _ROUTES, "spec.rules[].backendRefs[].namespace", Form.NAMESPACE,
        "The Service that answers.", "Gateway API: BackendRef",
    ),
    Rule(
        "route-filter", _ROUTES, "spec.rules[].**.filters[].*.backendRef.namespace",
        Form.NAMESPACE, "Filters send copies of requests to a Service.",
        "Gateway API: HTTPRequestMirrorFilter",
    ),
    Rule(
        "gateway-certificate", _LISTENERS,
        "spec.**.certificateRefs|caCertificateRefs[].namespace", Form.NAMESPACE,
        "The Secret with the certificate.", "Gateway API: SecretObjectReference",
    ),
    Rule(
        "gateway-client-certificate", (f"Gateway.{_GATEWAY}",),
        "spec.tls.backend.clientCertificateRef.namespace", Form.NAMESPACE,
        "The Secret that the Gateway shows to Services.", "Gateway API: GatewayBackendTLS",
    ),
    Rule(
        "gateway-routes", _LISTENERS, "spec.listeners[].allowedRoutes.namespaces.selector",
        Form.SELECTOR, "Whose routes may hang on a listener.", "Gateway API: RouteNamespaces",
    ),
    Rule(
        "gateway-listeners", (f"Gateway.{_GATEWAY}",), "spec.allowedListeners.namespaces.selector",
        Form.SELECTOR, "Whose listeners the Gateway takes.", "Gateway API: ListenerNamespaces",
    ),
    Rule(
        "listener-parent", _LISTENER_SETS, "spec.parentRef.namespace",
        Form.NAMESPACE, "The Gateway that the listeners belong to.",
        "Gateway API: ParentGatewayReference",
    ),
    Rule(
        "gateway-class-parameters", (f"GatewayClass.{_GATEWAY}",), "spec.parametersRef.namespace",
        Form.NAMESPACE, "The class's parameters may lie in a namespace.",
        "Gateway API: ParametersReference",
    ),
    Rule(
        "reference-grant", (f"ReferenceGrant.{_GATEWAY}",), "spec.from[+].namespace",
        Form.NAMESPACE, "Whose references are allowed.", "Gateway API: ReferenceGrantFrom",
    ),
    Rule(
        "gateway-policy", (f"*Policy.{_GATEWAY}", "*Policy.gateway.envoyproxy.io"),
        "spec.targetRefs[].namespace", Form.NAMESPACE, "What the policy is attached to.",
        "Gateway API: policy attachment",
    ),
    Rule(
        "gateway-policy-single", (f"*Policy.{_GATEWAY}", "*Policy.gateway.envoyproxy.io"),
        "spec.targetRef.namespace", Form.NAMESPACE, "What the policy is attached to.",
        "Gateway API: policy attachment",
    ),
    # ── cert-manager ─────────────────────────────────────────────────────────────────────────
    Rule(
        "certificate-names", _CERTIFICATE, "spec.dnsNames[+]", Form.DNS,
        "A certificate for a Service holds its names.", "cert-manager: CertificateSpec",
    ),
    Rule(
        "certificate-common-name", _CERTIFICATE, "spec.commonName", Form.DNS,
        "A certificate for a Service holds its name.", "cert-manager: CertificateSpec",
    ),
    Rule(
        "certificate-uris", _CERTIFICATE, "spec.uris[+]", Form.PRINCIPAL,
        "A certificate for a workload holds its SPIFFE id.", "cert-manager: CertificateSpec",
    ),
    Rule(
        "issuer-gateway", _ISSUERS,
        "spec.acme.solvers[].http01.gatewayHTTPRoute.parentRefs[].namespace", Form.NAMESPACE,
        "The Gateway that challenges are answered by.", "cert-manager: ACME solver",
    ),
    Rule(
        "issuer-server", _ISSUERS, "spec.vault|acme.server", Form.HOST,
        "The authority may run in the cluster.", "cert-manager: VaultIssuer, ACMEIssuer",
    ),
    # ── Prometheus operator ──────────────────────────────────────────────────────────────────
    Rule(
        "monitor-namespaces", _MONITORS, "spec.namespaceSelector.matchNames", Form.LIST,
        "Where the targets live.", "Prometheus operator: NamespaceSelector",
    ),
    Rule(
        "probe-ingress-namespaces", _PROBE, "spec.targets.ingress.namespaceSelector.matchNames",
        Form.LIST, "Where the Ingresses live.", "Prometheus operator: ProbeTargetIngress",
    ),
    Rule(
        "probe-target", _PROBE, "spec.targets.staticConfig.static[+]", Form.HOST,
        "What is probed.", "Prometheus operator: ProbeTargetStaticConfig",
    ),
    Rule(
        "prober", _PROBE, "spec.prober.url", Form.HOST,
        "Who probes.", "Prometheus operator: ProberSpec",
    ),
    Rule(
        "scrape-target", _SCRAPE, "spec.staticConfigs[].targets[+]", Form.HOST,
        "What is scraped.", "Prometheus operator: StaticConfig",
    ),
    Rule(
        "scrape-discovery", _SCRAPE, "spec.kubernetesSDConfigs[].namespaces.names", Form.LIST,
        "Where targets are looked for.", "Prometheus operator: NamespaceDiscovery",
    ),
    Rule(
        "alertmanager-target", _SERVERS, "spec.alerting.alertmanagers[].namespace",
        Form.NAMESPACE, "Where alerts go.", "Prometheus operator: AlertmanagerEndpoints",
    ),
    Rule(
        "monitoring-selector", _SERVERS, "spec.*NamespaceSelector", Form.SELECTOR,
        "Whose monitors, rules and probes are read.", "Prometheus operator: *NamespaceSelector",
    ),
    Rule(
        "monitoring-exclusion", _SERVERS, "spec.excludedFromEnforcement[].namespace",
        Form.NAMESPACE, "Objects that keep their labels.", "Prometheus operator: ObjectReference",
    ),
    Rule(
        "monitoring-rule-exclusion", _SERVERS,
        "spec.prometheusRulesExcludedFromEnforce[].ruleNamespace", Form.NAMESPACE,
        "Rules that keep their labels.", "Prometheus operator: PrometheusRuleExcludeConfig",
    ),
    Rule(
        "monitoring-affinity", _SERVERS, "spec.affinity.podAffinity|podAntiAffinity.**.namespaces",
        Form.LIST, "Whose Pods are kept near or away.", "core/v1 PodAffinityTerm",
    ),
    Rule(
        "monitoring-affinity-selector", _SERVERS,
        "spec.affinity.podAffinity|podAntiAffinity.**.namespaceSelector", Form.SELECTOR,
        "Whose Pods are kept near or away.", "core/v1 PodAffinityTerm",
    ),
    Rule(
        "remote-url", _SERVERS, "spec.remoteWrite|remoteRead[].url", Form.HOST,
        "Where samples go to and come from.", "Prometheus operator: RemoteWriteSpec",
    ),
    Rule(
        "ruler-url", _SERVERS, "spec.alertmanagersUrl|queryEndpoints[+]", Form.HOST,
        "Whom the ruler asks and tells.", "Prometheus operator: ThanosRulerSpec",
    ),
    # ── Flux ─────────────────────────────────────────────────────────────────────────────────
    Rule(
        "flux-source", _FLUX, "spec.**.sourceRef.namespace", Form.NAMESPACE,
        "Where the source lies.", "Flux: CrossNamespaceSourceReference",
    ),
    Rule(
        "flux-chart", _FLUX, "spec.chartRef.namespace", Form.NAMESPACE,
        "Where the chart lies.", "Flux: HelmReleaseSpec.chartRef",
    ),
    Rule(
        "flux-target", _FLUX, "spec.targetNamespace", Form.NAMESPACE,
        "Where the objects go.", "Flux: KustomizationSpec, HelmReleaseSpec",
    ),
    Rule(
        "flux-storage", _FLUX, "spec.storageNamespace", Form.NAMESPACE,
        "Where Helm keeps its releases.", "Flux: HelmReleaseSpec.storageNamespace",
    ),
    Rule(
        "flux-dependency", _FLUX, "spec.dependsOn[].namespace", Form.NAMESPACE,
        "What must be ready before.", "Flux: NamespacedObjectReference",
    ),
    Rule(
        "flux-health-check", _FLUX, "spec.healthChecks[].namespace", Form.NAMESPACE,
        "What must become ready.", "Flux: NamespacedObjectKindReference",
    ),
    Rule(
        "flux-event-source", _FLUX, "spec.eventSources|resources[].namespace", Form.NAMESPACE,
        "Whose events are sent, or who is woken.", "Flux: CrossNamespaceObjectReference",
    ),
    Rule(
        "flux-image", _FLUX, "spec.imageRepositoryRef.namespace", Form.NAMESPACE,
        "Whose tags are read.", "Flux: ImagePolicySpec",
    ),
    Rule(
        "flux-access", _FLUX, "spec.accessFrom.namespaceSelectors[+]", Form.SELECTOR,
        "Who may use the object.", "Flux: AccessFrom",
    ),
    # ── Argo CD ──────────────────────────────────────────────────────────────────────────────
    Rule(
        "argo-destination", _ARGO, "spec.**.destination.namespace", Form.NAMESPACE,
        "Where the objects go.", "Argo CD: ApplicationDestination",
    ),
    Rule(
        "argo-project-destination", _PROJECT, "spec.destinations[+].namespace", Form.NAMESPACE,
        "Where objects may go.", "Argo CD: AppProjectSpec.destinations",
    ),
    Rule(
        "argo-project-source", _PROJECT, "spec.sourceNamespaces", Form.LIST,
        "Where Applications may live.", "Argo CD: AppProjectSpec.sourceNamespaces",
    ),
    Rule(
        "argo-project-account", _PROJECT, "spec.destinationServiceAccounts[].namespace",
        Form.NAMESPACE, "Where objects may go, as whom.",
        "Argo CD: ApplicationDestinationServiceAccount",
    ),
    Rule(
        "argo-helm", _ARGO, "spec.**.helm.namespace", Form.NAMESPACE,
        "What charts take for the namespace of their release.",
        "Argo CD: ApplicationSourceHelm.namespace",
    ),
    # ── Istio ────────────────────────────────────────────────────────────────────────────────
    Rule(
        "istio-hosts", (*_VIRTUAL_SERVICE, "ServiceEntry.networking.istio.io"), "spec.hosts[+]",
        Form.DNS, "Whose traffic is meant.", "Istio: VirtualService.hosts",
    ),
    Rule(
        "istio-host", ("DestinationRule.networking.istio.io",), "spec.host", Form.DNS,
        "Whose traffic is meant.", "Istio: DestinationRule.host",
    ),
    Rule(
        "istio-destination", _VIRTUAL_SERVICE, "spec.**.destination|mirror.host", Form.DNS,
        "Where traffic goes.", "Istio: Destination.host",
    ),
    Rule(
        "istio-gateways", _VIRTUAL_SERVICE, "spec.**.gateways[+]", Form.NAMESPACED_NAME,
        "The Gateways that the rules are for.", "Istio: VirtualService.gateways",
    ),
    Rule(
        "istio-delegate", _VIRTUAL_SERVICE, "spec.http[].delegate.namespace", Form.NAMESPACE,
        "The VirtualService that decides.", "Istio: Delegate",
    ),
    Rule(
        "istio-source", _VIRTUAL_SERVICE, "spec.**.match[].sourceNamespace", Form.NAMESPACE,
        "Whose requests are meant.", "Istio: HTTPMatchRequest.sourceNamespace",
    ),
    Rule(
        "istio-export", _ISTIO, "spec.exportTo", Form.LIST,
        "Who sees the object.", "Istio: exportTo",
    ),
    Rule(
        "istio-endpoint", ("ServiceEntry.networking.istio.io",), "spec.endpoints[].address",
        Form.DNS, "Where traffic goes.", "Istio: WorkloadEntry.address",
    ),
    Rule(
        "istio-egress", ("Sidecar.networking.istio.io",), "spec.egress[].hosts[+]",
        Form.NAMESPACED_NAME, "What the workloads can reach.", "Istio: IstioEgressListener.hosts",
    ),
    Rule(
        "istio-servers", ("Gateway.networking.istio.io",), "spec.servers[].hosts[+]",
        Form.NAMESPACED_NAME, "Whose VirtualServices may bind.", "Istio: Server.hosts",
    ),
    Rule(
        "istio-source-namespaces", _AUTHORIZATION,
        "spec.rules[].from[].source.namespaces|notNamespaces", Form.LIST,
        "Whose requests are allowed.", "Istio: Source.namespaces",
    ),
    Rule(
        "istio-principals", _AUTHORIZATION,
        "spec.rules[].from[].source.principals|notPrincipals[+]", Form.PRINCIPAL,
        "Whose requests are allowed.", "Istio: Source.principals",
    ),
    Rule(
        "istio-condition-namespaces", _AUTHORIZATION,
        "spec.rules[].when[]{key=source.namespace}.values|notValues", Form.LIST,
        "Whose requests are allowed.", "Istio: authorization policy conditions",
    ),
    Rule(
        "istio-condition-principals", _AUTHORIZATION,
        "spec.rules[].when[]{key=source.principal}.values|notValues[+]", Form.PRINCIPAL,
        "Whose requests are allowed.", "Istio: authorization policy conditions",
    ),
    # ── External Secrets ─────────────────────────────────────────────────────────────────────
    Rule(
        "secret-store-reference", _SECRET_STORES,
        "spec.provider.**.*Ref|caProvider.namespace", Form.NAMESPACE,
        "Credentials, accounts and authorities of the store.",
        "External Secrets: SecretKeySelector, ServiceAccountSelector, CAProvider",
    ),
    Rule(
        "secret-store-namespaces", _SECRET_STORES, "spec.conditions[].namespaces", Form.LIST,
        "Who may use the store.", "External Secrets: ClusterSecretStoreCondition",
    ),
    Rule(
        "secret-store-selector", _SECRET_STORES, "spec.conditions[].namespaceSelector",
        Form.SELECTOR, "Who may use the store.", "External Secrets: ClusterSecretStoreCondition",
    ),
    Rule(
        "cluster-secret-namespaces", _CLUSTER_SECRET, "spec.namespaces", Form.LIST,
        "Where the secret goes.", "External Secrets: ClusterExternalSecretSpec",
    ),
    Rule(
        "cluster-secret-selector", _CLUSTER_SECRET, "spec.namespaceSelector", Form.SELECTOR,
        "Where the secret goes.", "External Secrets: ClusterExternalSecretSpec",
    ),
    Rule(
        "cluster-secret-selectors", _CLUSTER_SECRETS, "spec.namespaceSelectors[+]", Form.SELECTOR,
        "Where the secret goes.", "External Secrets: ClusterExternalSecretSpec",
    ),
    # ── Traefik ──────────────────────────────────────────────────────────────────────────────
    Rule(
        "traefik-service", _INGRESS_ROUTES, "spec.routes[].services[].namespace", Form.NAMESPACE,
        "Who answers.", "Traefik: IngressRoute",
    ),
    Rule(
        "traefik-middleware", _INGRESS_ROUTES, "spec.routes[].middlewares[].namespace",
        Form.NAMESPACE, "What requests pass through.", "Traefik: IngressRoute",
    ),
    Rule(
        "traefik-middleware-handle", _INGRESS_ROUTES, "spec.routes[].middlewares[].name",
        Form.TRAEFIK, "What requests pass through.", "Traefik: CRD provider names",
    ),
    Rule(
        "traefik-tls", _INGRESS_ROUTES, "spec.tls.options|store.namespace", Form.NAMESPACE,
        "How connections are secured.", "Traefik: IngressRoute",
    ),
    Rule(
        "traefik-chain", _TRAEFIK, "spec.chain.middlewares[].namespace", Form.NAMESPACE,
        "What requests pass through.", "Traefik: Middleware chain",
    ),
    Rule(
        "traefik-errors", _TRAEFIK, "spec.errors.service.namespace", Form.NAMESPACE,
        "Who answers in case of errors.", "Traefik: Middleware errors",
    ),
    Rule(
        "traefik-auth", _TRAEFIK, "spec.forwardAuth.address", Form.HOST,
        "Who decides about requests.", "Traefik: Middleware forwardAuth",
    ),
    Rule(
        "traefik-errors-middleware", _TRAEFIK, "spec.errors.service.middlewares[].namespace",
        Form.NAMESPACE, "What requests pass through.", "Traefik: Middleware errors",
    ),
    Rule(
        "traefik-parent", _INGRESS_ROUTES, "spec.parentRefs[].namespace", Form.NAMESPACE,
        "The IngressRoute that hands requests on.", "Traefik: IngressRoute.parentRefs",
    ),
    Rule(
        "traefik-other", _TRAEFIK_SERVICE,
        "spec.failover.service|fallback.namespace", Form.NAMESPACE,
        "Who answers.", "Traefik: TraefikService",
    ),
    Rule(
        "traefik-weighted", _TRAEFIK_SERVICE, "spec.weighted.services[].namespace",
        Form.NAMESPACE, "Who answers.", "Traefik: TraefikService",
    ),
    Rule(
        "traefik-mirroring", _TRAEFIK_SERVICE, "spec.mirroring.namespace", Form.NAMESPACE,
        "Who answers.", "Traefik: TraefikService",
    ),
    Rule(
        "traefik-mirrors", _TRAEFIK_SERVICE, "spec.mirroring.mirrors[].namespace",
        Form.NAMESPACE, "Who gets a copy.", "Traefik: TraefikService",
    ),
    # ── Knative, KEDA, Kyverno, OLM ──────────────────────────────────────────────────────────
    Rule(
        "knative-reference", _KNATIVE, "spec.**.ref.namespace", Form.NAMESPACE,
        "Where events go.", "Knative: Destination.ref",
    ),
    Rule(
        "knative-uri", _KNATIVE, "spec.**.uri", Form.HOST,
        "Where events go.", "Knative: Destination.uri",
    ),
    Rule(
        "keda-server", ("ScaledObject.keda.sh", "ScaledJob.keda.sh"),
        "spec.triggers[].metadata.*", Form.HOST,
        "Whom the scaler asks.", "KEDA: scaler metadata (serverAddress, address, host …)",
    ),
    Rule(
        "kyverno-namespaces", _KYVERNO, "spec.**.match|exclude.**.namespaces", Form.LIST,
        "Whose objects are judged.", "Kyverno: ResourceDescription.namespaces",
    ),
    Rule(
        "kyverno-selector", _KYVERNO, "spec.**.match|exclude.**.namespaceSelector",
        Form.SELECTOR, "Whose objects are judged.", "Kyverno: ResourceDescription",
    ),
    Rule(
        "kyverno-subjects", _KYVERNO, "spec.**.match|exclude.**.subjects[+].namespace",
        Form.NAMESPACE, "Whose requests are judged.", "Kyverno: UserInfo.subjects",
    ),
    Rule(
        "kyverno-subject-users", _KYVERNO, "spec.**.match|exclude.**.subjects[+]{kind=User}.name",
        Form.USER, "Whose requests are judged.", "Kyverno: UserInfo.subjects",
    ),
    Rule(
        "kyverno-subject-groups", _KYVERNO,
        "spec.**.match|exclude.**.subjects[+]{kind=Group}.name", Form.GROUP,
        "Whose requests are judged.", "Kyverno: UserInfo.subjects",
    ),
    Rule(
        "kyverno-generate", _KYVERNO, "spec.**.generate.namespace", Form.NAMESPACE,
        "Where the object is made.", "Kyverno: Generation",
    ),
    Rule(
        "kyverno-clone", _KYVERNO, "spec.**.generate.**.clone|cloneList.namespace",
        Form.NAMESPACE, "What is copied.", "Kyverno: CloneFrom",
    ),
    Rule(
        "kyverno-mutated", _KYVERNO, "spec.**.mutate.targets[].namespace", Form.NAMESPACE,
        "What is changed.", "Kyverno: TargetResourceSpec",
    ),
    Rule(
        "kyverno-overrides", _KYVERNO,
        "spec.**.validationFailureActionOverrides|failureActionOverrides[].namespaces",
        Form.LIST, "Where violations are treated differently.",
        "Kyverno: ValidationFailureActionOverride",
    ),
    Rule(
        "kyverno-override-selector", _KYVERNO,
        "spec.**.validationFailureActionOverrides|failureActionOverrides[].namespaceSelector",
        Form.SELECTOR, "Where violations are treated differently.",
        "Kyverno: ValidationFailureActionOverride",
    ),
    Rule(
        "kyverno-constraints", _KYVERNO, "spec.**.matchConstraints.namespaceSelector",
        Form.SELECTOR, "Whose objects are judged.", "Kyverno: policies.kyverno.io MatchConstraints",
    ),
    Rule(
        "kyverno-global-context", ("GlobalContextEntry.kyverno.io",),
        "spec.kubernetesResource.namespace", Form.NAMESPACE,
        "Where data comes from.", "Kyverno: KubernetesResource",
    ),
    Rule(
        "kyverno-context", _KYVERNO, "spec.**.context[].configMap.namespace", Form.NAMESPACE,
        "Where data comes from.", "Kyverno: ConfigMapReference",
    ),
    Rule(
        "olm-targets", ("OperatorGroup.operators.coreos.com",), "spec.targetNamespaces",
        Form.LIST, "What the operators watch.", "OLM: OperatorGroupSpec",
    ),
    Rule(
        "olm-selector", ("OperatorGroup.operators.coreos.com",), "spec.selector", Form.SELECTOR,
        "What the operators watch.", "OLM: OperatorGroupSpec",
    ),
    Rule(
        "olm-source", ("Subscription.operators.coreos.com",), "spec.sourceNamespace",
        Form.NAMESPACE, "Where the catalogue lies.", "OLM: SubscriptionSpec",
    ),
    # ── Crossplane, Cluster API ──────────────────────────────────────────────────────────────
    Rule(
        "crossplane-reference", _CROSSPLANE, "spec.**.*Ref.namespace", Form.NAMESPACE,
        "Secrets and objects that are read and written.", "Crossplane: SecretReference",
    ),
    Rule(
        "crossplane-secrets", _CROSSPLANE, "spec.writeConnectionSecretsToNamespace",
        Form.NAMESPACE, "Where connection details go.", "Crossplane: CompositionSpec",
    ),
    Rule(
        "cluster-api-reference", _CLUSTER_API, "spec.**.*Ref|ref.namespace", Form.NAMESPACE,
        "The parts of a cluster.", "Cluster API: core/v1 ObjectReference",
    ),
    Rule(
        "cluster-api-class", ("Cluster.cluster.x-k8s.io",), "spec.topology.classNamespace",
        Form.NAMESPACE, "Where the ClusterClass lies.", "Cluster API: Topology.classNamespace",
    ),
    Rule(
        "cluster-api-extension", ("ExtensionConfig.runtime.cluster.x-k8s.io",),
        "spec.clientConfig.service.namespace", Form.NAMESPACE,
        "The Service that is asked.", "Cluster API: ExtensionConfig",
    ),
    Rule(
        "cluster-api-selector", _CLUSTER_API, "spec.namespaceSelector", Form.SELECTOR,
        "Whose clusters the extension is asked about.", "Cluster API: ExtensionConfig",
    ),
    Rule(
        "cluster-api-drain", ("MachineDrainRule.cluster.x-k8s.io",),
        "spec.pods[].namespaceSelector", Form.SELECTOR,
        "Whose Pods the rule is for.", "Cluster API: MachineDrainRulePodSelector",
    ),
    # ── Cilium, Velero ───────────────────────────────────────────────────────────────────────
    Rule(
        "cilium-peer", _CILIUM,
        'spec|specs.**.from*|to*[+].matchLabels["k8s:io.kubernetes.pod.namespace|'
        'io.kubernetes.pod.namespace|'
        'k8s:io.cilium.k8s.namespace.labels.kubernetes.io/metadata.name"]',
        Form.NAMESPACE, "The other side of the traffic.", "Cilium: namespace labels of endpoints",
    ),
    Rule(
        "cilium-service", _CILIUM, "spec|specs.**.toServices[+].k8sService.namespace",
        Form.NAMESPACE, "Where traffic may go.", "Cilium: K8sServiceNamespace",
    ),
    Rule(
        "cilium-secret", _CILIUM,
        "spec|specs.**.originatingTLS|terminatingTLS.secret.namespace", Form.NAMESPACE,
        "The Secret that traffic is opened with.", "Cilium: TLSContext.secret",
    ),
    Rule(
        "cilium-header-secret", _CILIUM,
        "spec|specs.**.headerMatches[].secret.namespace", Form.NAMESPACE,
        "The Secret that a header must hold.", "Cilium: HeaderMatch.secret",
    ),
    Rule(
        "cilium-envoy", ("Cilium*EnvoyConfig.cilium.io",),
        "spec.services|backendServices[].namespace", Form.NAMESPACE,
        "Whose traffic is meant, and who answers.", "Cilium: CiliumEnvoyConfigSpec",
    ),
    Rule(
        "cilium-redirect", ("CiliumLocalRedirectPolicy.cilium.io",),
        "spec.redirectFrontend.serviceMatcher.namespace", Form.NAMESPACE,
        "Whose traffic is meant.", "Cilium: RedirectFrontend",
    ),
    Rule(
        "cilium-egress", ("CiliumEgressGatewayPolicy.cilium.io",),
        "spec.selectors[].namespaceSelector", Form.SELECTOR,
        "Whose traffic is meant.", "Cilium: EgressRule",
    ),
    # ── Contour ──────────────────────────────────────────────────────────────────────────────
    Rule(
        "contour-include", ("HTTPProxy.projectcontour.io",), "spec.includes[].namespace",
        Form.NAMESPACE, "The proxy that goes on from here.", "Contour: Include",
    ),
    Rule(
        "contour-delegation", ("TLSCertificateDelegation.projectcontour.io",),
        "spec.delegations[].targetNamespaces", Form.LIST,
        "Who may use the certificate.", "Contour: CertificateDelegation",
    ),
    Rule(
        "velero-namespaces", _VELERO, "spec.**.includedNamespaces|excludedNamespaces", Form.LIST,
        "What is backed up.", "Velero: BackupSpec",
    ),
)
# fmt: on
