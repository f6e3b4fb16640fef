//! Service accounts and their tokens. Needs the programs of `cargo xtask envtest`, and root.

#![expect(clippy::unwrap_used, reason = "a test ends at its first surprise")]

use std::sync::LazyLock;
use std::thread;
use std::time::{Duration, Instant};

use enforcer_cluster::{Account, ClusterError, ControlPlane, Options};

static PLANE: LazyLock<ControlPlane> =
    LazyLock::new(|| ControlPlane::start(&Options::default()).unwrap());

const HOUR: Duration = Duration::from_secs(3600);

/// A service account that may read pods, in a namespace of its own.
fn reader(namespace: &str) -> Account {
    let objects = format!(
        "\
apiVersion: v1
kind: Namespace
metadata: {{name: {namespace}}}
---
apiVersion: v1
kind: ServiceAccount
metadata: {{name: reader, namespace: {namespace}}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {{name: reader, namespace: {namespace}}}
rules: [{{apiGroups: [''], resources: [pods], verbs: [list]}}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {{name: reader, namespace: {namespace}}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: Role, name: reader}}
subjects: [{{kind: ServiceAccount, name: reader, namespace: {namespace}}}]
"
    );
    PLANE.apply(&objects).unwrap();
    let url = PLANE.url();
    PLANE
        .service_account_kubeconfig(namespace, "reader", HOUR, &url)
        .unwrap()
}

fn list(account: &Account, namespace: &str, resource: &str) -> Result<String, ClusterError> {
    let words = ["get", resource, "-n", namespace];
    PLANE.kubectl_with(account.kubeconfig(), &words, "")
}

#[test]
fn a_service_account_may_do_what_its_role_says_and_nothing_else() {
    let account = reader("roles");
    list(&account, "roles", "pods").unwrap();
    let refused = list(&account, "roles", "secrets").unwrap_err().to_string();
    assert!(refused.contains("Forbidden"), "{refused}");
    let user = "system:serviceaccount:roles:reader";
    assert!(refused.contains(user), "{refused}");
}

#[test]
fn a_token_that_is_over_is_refused_and_the_next_one_taken() {
    let account = reader("tokens");
    let over = PLANE
        .short_token("tokens", "reader", Duration::ZERO)
        .unwrap();
    account.put_token(&over).unwrap();
    let refused = list(&account, "tokens", "pods").unwrap_err().to_string();
    assert!(refused.contains("Unauthorized"), "{refused}");
    let fresh = PLANE.token("tokens", "reader", HOUR).unwrap();
    account.put_token(&fresh).unwrap();
    list(&account, "tokens", "pods").unwrap();
}

#[test]
fn a_token_is_good_until_it_is_over() {
    let account = reader("expiry");
    let short = PLANE
        .short_token("expiry", "reader", Duration::from_secs(10))
        .unwrap();
    account.put_token(&short).unwrap();
    list(&account, "expiry", "pods").unwrap();
    let end = Instant::now() + Duration::from_secs(60);
    while list(&account, "expiry", "pods").is_ok() {
        assert!(Instant::now() < end, "the token is still taken");
        thread::sleep(Duration::from_millis(500));
    }
}
