#!/bin/sh
# Makes the Secret tarn-auth: three random keys, and who they are. The name of the namespace is its argument;
# what it prints goes to `kubectl apply -f -`, or to whatever seals Secrets for your repository.
set -eu
namespace=${1:?name the namespace}
here=$(cd "$(dirname "$0")" && pwd)
hex() { od -An -v -tx1 -N"$1" /dev/urandom | tr -d ' \n'; }
key() { printf 'tarn_%s_%s' "$(hex 8)" "$(hex 32)"; }
exec kubectl create secret generic tarn-auth --namespace "$namespace" --dry-run=client --output yaml \
  --from-file="$here/auth.yaml" \
  --from-literal=admin-token="$(key)" --from-literal=ingest-token="$(key)" --from-literal=viewer-token="$(key)"
