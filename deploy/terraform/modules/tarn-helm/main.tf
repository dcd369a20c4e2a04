# The chart as a release. What it is given is worked out in ./values, which has tests.

module "values" {
  source = "./values"

  image          = var.image
  storage        = var.storage
  config         = var.config
  identity       = var.identity
  volume         = var.volume
  resources      = var.resources
  auth_secret    = var.auth_secret
  tls_secret     = var.tls_secret
  host           = var.host
  ingress_class  = var.ingress_class
  monitoring     = var.monitoring
  network_policy = var.network_policy
}

resource "helm_release" "tarn" {
  name             = var.name
  namespace        = var.namespace
  create_namespace = true
  chart            = var.chart == "" ? abspath("${path.module}/../../../helm/tarn") : var.chart
  version          = var.chart_version
  values           = [yamlencode(module.values.values), yamlencode(var.values)]
  timeout          = var.timeout
  wait             = true
  # A first install that fails stays, to be looked at; an upgrade that fails goes back.
  atomic          = false
  cleanup_on_fail = true
  max_history     = 10
}
