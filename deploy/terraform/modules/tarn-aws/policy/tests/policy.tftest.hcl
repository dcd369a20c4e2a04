variables {
  bucket_arn      = "arn:aws:s3:::example-tarn"
  namespace       = "observability"
  service_account = "tarn"
}

run "no_more_than_it_needs" {
  command = plan
  variables {
    prefix = "production"
  }
  assert {
    condition = toset(flatten([for one in jsondecode(output.access).Statement : one.Action])) == toset([
      "s3:ListBucket", "s3:GetObject", "s3:PutObject", "s3:DeleteObject"
    ])
    error_message = "The rights of storage/object-stores.md and no other."
  }
  assert {
    condition     = jsondecode(output.access).Statement[1].Resource == "arn:aws:s3:::example-tarn/production/*"
    error_message = "Objects below the prefix only."
  }
  assert {
    condition     = !strcontains(output.access, "s3:*") && !strcontains(output.access, "DeleteObjectVersion")
    error_message = "Old versions are the way back: Tarn cannot delete them."
  }
}

run "pods_of_one_account" {
  command = plan
  variables {
    oidc_provider_arn = "arn:aws:iam::123456789012:oidc-provider/oidc.eks.eu-central-1.amazonaws.com/id/EXAMPLE"
  }
  assert {
    condition = jsondecode(output.trust).Statement[0].Condition.StringEquals == {
      "oidc.eks.eu-central-1.amazonaws.com/id/EXAMPLE:aud" = "sts.amazonaws.com"
      "oidc.eks.eu-central-1.amazonaws.com/id/EXAMPLE:sub" = "system:serviceaccount:observability:tarn"
    }
    error_message = "One service account of one namespace may take the role."
  }
}

run "pod_identity_without_a_provider" {
  command = plan
  assert {
    condition     = jsondecode(output.trust).Statement[0].Principal.Service == "pods.eks.amazonaws.com"
    error_message = "Without IRSA it is Pod Identity."
  }
}

run "a_key_of_ones_own" {
  command = plan
  variables {
    kms_key_arn = "arn:aws:kms:eu-central-1:123456789012:key/example"
  }
  assert {
    condition     = jsondecode(output.access).Statement[2].Resource == "arn:aws:kms:eu-central-1:123456789012:key/example"
    error_message = "The role may use the key."
  }
}

run "without_tls_nothing" {
  command = plan
  assert {
    condition     = jsondecode(output.transport).Statement[0].Effect == "Deny" && jsondecode(output.transport).Statement[0].Condition.Bool["aws:SecureTransport"] == "false"
    error_message = "Plain HTTP is denied."
  }
}

run "a_prefix_is_no_pattern" {
  command = plan
  variables {
    prefix = "*"
  }
  expect_failures = [var.prefix]
}

run "an_account_is_no_pattern" {
  command = plan
  variables {
    service_account = "*"
  }
  expect_failures = [var.service_account]
}
