# The values of the chart. No provider, so `terraform test` needs nothing but terraform.

terraform {
  required_version = ">= 1.9"
}

locals {
  storage = { for name, value in var.storage : name => value if value != "" }
  config  = length(local.storage) == 0 ? var.config : merge(var.config, { storage = local.storage })

  values = {
    image = var.image
    # The chart has defaults for its own; what is given here is laid over them.
    config = local.config
    serviceAccount = {
      annotations = var.identity.annotations
    }
    podLabels = var.identity.pod_labels
    auth = {
      existingSecret = var.auth_secret
    }
    tls = {
      existingSecret = var.tls_secret
    }
    persistence = {
      size         = var.volume.size
      storageClass = var.volume.storage_class
    }
    resources = {
      requests = { cpu = var.resources.cpu, memory = var.resources.memory }
      limits   = { memory = var.resources.memory_limit }
    }
    ingress = {
      enabled   = var.host != ""
      className = var.ingress_class
      hosts     = compact([var.host])
      tls       = [for host in compact([var.host]) : { secretName = "${replace(host, ".", "-")}-tls", hosts = [host] }]
    }
    networkPolicy = {
      enabled = var.network_policy
    }
    monitoring = {
      serviceMonitor = { enabled = var.monitoring }
      prometheusRule = { enabled = var.monitoring }
      dashboards     = { enabled = var.monitoring }
    }
  }
}
