#!/bin/sh
# Makes the Secret tarn-auth: three random keys, and who they are. The name of the namespace is its argument;
# what it prints goes to `kubectl apply -f -`, or to whatever seals Secrets for your repository.
set -eu
namespace=${1:?name the namespace}
here=$(cd "$(dirname "$0")" && pwd)
letters() { LC_ALL=C tr -dc "$2" </dev/urandom | head -c "$1"; }
key() { printf 'tarn_%s_%s' "$(letters 12 a-z0-9)" "$(letters 43 A-Za-z0-9)"; }
exec kubectl create secret generic tarn-auth --namespace "$namespace" --dry-run=client --output yaml \
  --from-file="$here/auth.yaml" \
  --from-literal=admin-token="$(key)" --from-literal=ingest-token="$(key)" --from-literal=viewer-token="$(key)"
