//! The environment variables of a CNI command.

use std::path::PathBuf;

use crate::failure::Failure;
use crate::protocol::Attachment;

/// The variables of a command, as they are.
#[derive(Clone, Debug, Default)]
pub(crate) struct Environment {
    pub(crate) command: Option<String>,
    pub(crate) container: Option<String>,
    pub(crate) netns: Option<String>,
    pub(crate) ifname: Option<String>,
    pub(crate) arguments: Option<String>,
}

/// The pod that a runtime names in `CNI_ARGS`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) uid: Option<String>,
}

impl Environment {
    pub(crate) fn of_process() -> Self {
        let get = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        Self {
            command: get("CNI_COMMAND"),
            container: get("CNI_CONTAINERID"),
            netns: get("CNI_NETNS"),
            ifname: get("CNI_IFNAME"),
            arguments: get("CNI_ARGS"),
        }
    }

    pub(crate) fn attachment(&self) -> Result<Attachment, Failure> {
        let attachment = Attachment {
            container: needed("CNI_CONTAINERID", self.container.as_ref())?,
            ifname: needed("CNI_IFNAME", self.ifname.as_ref())?,
        };
        if attachment.is_valid() {
            return Ok(attachment);
        }
        Err(Failure::Environment {
            variable: "CNI_CONTAINERID or CNI_IFNAME",
            problem: "is not what the CNI specification allows".to_owned(),
        })
    }

    pub(crate) fn netns(&self) -> Result<PathBuf, Failure> {
        needed("CNI_NETNS", self.netns.as_ref()).map(PathBuf::from)
    }

    /// The pod; `None` when the container is none of Kubernetes'.
    pub(crate) fn pod(&self) -> Option<Named> {
        let argument = |wanted: &str| {
            let pairs = self.arguments.as_deref().unwrap_or_default().split(';');
            let mut pairs = pairs.filter_map(|pair| pair.split_once('='));
            let found = pairs.find(|(key, _)| key.trim() == wanted);
            found
                .map(|(_, value)| value.trim().to_owned())
                .filter(|value| !value.is_empty())
        };
        Some(Named {
            namespace: argument("K8S_POD_NAMESPACE")?,
            name: argument("K8S_POD_NAME")?,
            uid: argument("K8S_POD_UID"),
        })
    }
}

fn needed(variable: &'static str, value: Option<&String>) -> Result<String, Failure> {
    value.cloned().ok_or_else(|| Failure::Environment {
        variable,
        problem: "is not set".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(arguments: &str) -> Option<Named> {
        let arguments = Some(arguments.to_owned());
        Environment {
            arguments,
            ..Environment::default()
        }
        .pod()
    }

    #[test]
    fn the_pod_is_found_among_other_arguments() {
        let found =
            pod("IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=db-0;K8S_POD_UID=7;X=y=z");
        let expected = Named {
            namespace: "shop".to_owned(),
            name: "db-0".to_owned(),
            uid: Some("7".to_owned()),
        };
        assert_eq!(found, Some(expected));
    }

    #[test]
    fn a_container_without_namespace_and_name_is_no_pod() {
        for arguments in [
            "",
            "IgnoreUnknown=1",
            "K8S_POD_NAME=a",
            "K8S_POD_NAMESPACE=;K8S_POD_NAME=a",
        ] {
            assert_eq!(pod(arguments), None, "{arguments}");
        }
    }
}
