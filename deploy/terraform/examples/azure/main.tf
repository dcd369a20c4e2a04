# Tarn in an AKS cluster that is there and has workload identity, with a container of its own. Credentials come from the
# environment: ARM_..., KUBE_CONFIG_PATH.

terraform {
  required_version = ">= 1.9"

  required_providers {
    azurerm = {
      source  = "hashicorp/azurerm"
      version = "~> 4.9"
    }
    helm = {
      source  = "hashicorp/helm"
      version = "~> 3.0"
    }
  }
}

provider "azurerm" {
  # The keys of the account are off.
  storage_use_azuread = true
  features {}
}

provider "helm" {}

data "azurerm_kubernetes_cluster" "this" {
  name                = "example"
  resource_group_name = "example"
}

module "container" {
  source = "../../modules/tarn-azure"

  resource_group  = "example"
  location        = data.azurerm_kubernetes_cluster.this.location
  account         = "exampletarnrows"
  oidc_issuer_url = data.azurerm_kubernetes_cluster.this.oidc_issuer_url
}

module "tarn" {
  source = "../../modules/tarn-helm"

  image    = { repository = "example.azurecr.io/tarn" }
  storage  = module.container.storage
  identity = module.container.identity
}

output "url" {
  description = "For Grafana."
  value       = module.tarn.url
}
