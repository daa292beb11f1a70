path "kv/data/my-app/*" {
  capabilities = ["read"]
}
