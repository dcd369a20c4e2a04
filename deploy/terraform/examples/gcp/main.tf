# Tarn in a GKE cluster that is there and has workload identity, with a bucket of its own. Credentials come from the
# environment: GOOGLE_APPLICATION_CREDENTIALS, KUBE_CONFIG_PATH.

terraform {
  required_version = ">= 1.9"

  required_providers {
    google = {
      source  = "hashicorp/google"
      version = "~> 7.0"
    }
    helm = {
      source  = "hashicorp/helm"
      version = "~> 3.0"
    }
  }
}

provider "google" {
  project = "example-project"
}

provider "helm" {}

module "bucket" {
  source = "../../modules/tarn-gcp"

  project  = "example-project"
  bucket   = "example-tarn-rows"
  location = "europe-west3"
}

module "tarn" {
  source = "../../modules/tarn-helm"

  image    = { repository = "europe-west3-docker.pkg.dev/example-project/images/tarn" }
  storage  = module.bucket.storage
  identity = module.bucket.identity
  # The identity comes from the metadata server of the node, which the chart's policy keeps closed: open it.
  values = {
    networkPolicy = {
      egress = [
        {
          to    = [{ namespaceSelector = {}, podSelector = { matchLabels = { k8s-app = "kube-dns" } } }]
          ports = [{ port = 53, protocol = "UDP" }, { port = 53, protocol = "TCP" }]
        },
        {
          to    = [{ ipBlock = { cidr = "169.254.169.252/30" } }]
          ports = [{ port = 80, protocol = "TCP" }, { port = 988, protocol = "TCP" }]
        },
        {
          to    = [{ ipBlock = { cidr = "0.0.0.0/0", except = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"] } }]
          ports = [{ port = 443, protocol = "TCP" }]
        },
      ]
    }
  }
}

output "url" {
  description = "For Grafana."
  value       = module.tarn.url
}
