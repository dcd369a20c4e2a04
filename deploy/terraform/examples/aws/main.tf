# Tarn in an EKS cluster that is there, with a bucket of its own. Credentials of cloud and cluster come from the
# environment: AWS_PROFILE, KUBE_CONFIG_PATH.

terraform {
  required_version = ">= 1.9"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 6.0"
    }
    helm = {
      source  = "hashicorp/helm"
      version = "~> 3.0"
    }
  }
}

provider "aws" {
  region = "eu-central-1"
}

provider "helm" {}

data "aws_eks_cluster" "this" {
  name = "example"
}

data "aws_iam_openid_connect_provider" "this" {
  url = data.aws_eks_cluster.this.identity[0].oidc[0].issuer
}

module "bucket" {
  source = "../../modules/tarn-aws"

  bucket            = "example-tarn-rows"
  region            = "eu-central-1"
  oidc_provider_arn = data.aws_iam_openid_connect_provider.this.arn
}

module "tarn" {
  source = "../../modules/tarn-helm"

  image         = { repository = "registry.example.com/tarn" }
  storage       = module.bucket.storage
  identity      = module.bucket.identity
  config        = { retention = { logs = "30d", traces = "14d" } }
  host          = "tarn.example.com"
  ingress_class = "nginx"
  monitoring    = true
}

output "url" {
  description = "For Grafana."
  value       = module.tarn.url
}
