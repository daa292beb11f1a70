# Stands for what needs the database. It has DB_USER and DB_PASSWORD, and neither the
# ID token nor a Vault token.
set -eu
echo "migrating as $DB_USER, with a password of ${#DB_PASSWORD} characters"
! env | grep -q -e '^VAULT_TOKEN=' -e '^VAULT_ID_TOKEN='
