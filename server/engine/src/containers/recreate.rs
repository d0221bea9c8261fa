//! The request that creates a container again: with the same image it gives the same
//! specification, except for the name and the names of anonymous volumes.

use crate::containers::merge::merge_env;
use crate::containers::new::NewContainer;
use crate::engine::Engine;
use crate::error::EngineError;
use crate::volumes::is_anonymous;
use model::container::health::{HealthCheck, Probe};
use model::container::spec::Process;
use model::container::system::SystemChoice;
use model::container::{ContainerId, Spec};
use model::image::ImageConfig;
use model::mount::Source;
use std::collections::HashSet;

impl Engine {
    /// The request that creates the container again, without its name. The image is named by its
    /// reference while that still means the same image, else by its id.
    pub async fn recreation(&self, id: &ContainerId) -> Result<NewContainer, EngineError> {
        let container = self.inspect(id)?;
        let spec = &container.spec;
        // An image that is gone brings no defaults that could have been removed.
        let config = self.inner.image_config(&spec.image.id).await.unwrap_or_default();
        let mut volumes = Vec::new();
        for name in anonymous_names(spec) {
            let row = store::volumes::find(&mut *self.inner.database().read().await?, name).await?;
            // One that is older than the container is another's: it was asked for by its name.
            if row.is_none_or(|row| row.created >= container.created) {
                volumes.push(name.to_owned());
            }
        }
        let mut new = request_of(spec, &config, &volumes);
        let found = self.inner.find_image(&new.image).await;
        if found.is_ok_and(|image| image.id != spec.image.id) {
            new.image = spec.image.id.to_string();
        }
        Ok(new)
    }
}

fn anonymous_names(spec: &Spec) -> impl Iterator<Item = &str> {
    spec.mounts.iter().filter_map(|mount| match &mount.source {
        Source::Volume { name, .. } if is_anonymous(name) && !mount.read_only => Some(name.as_str()),
        Source::Bind { .. } | Source::Volume { .. } | Source::Tmpfs { .. } => None,
    })
}

/// `own_volumes` are the names of its anonymous volumes. An entrypoint is asked for only where
/// image or container have one; an empty one removes the image's.
fn request_of(spec: &Spec, image: &ImageConfig, own_volumes: &[String]) -> NewContainer {
    let (mut mounts, mut anonymous_volumes) = (Vec::new(), Vec::new());
    for mount in &spec.mounts {
        match &mount.source {
            Source::Volume { name, .. } if own_volumes.contains(name) => {
                anonymous_volumes.push(mount.target.clone());
            }
            _ => mounts.push(mount.clone()),
        }
    }
    let process = &spec.process;
    let has_entrypoint = !process.entrypoint.is_empty() || !image.entrypoint.is_empty();
    NewContainer {
        name: None,
        image: spec.image.reference.short(),
        entrypoint: has_entrypoint.then(|| process.entrypoint.clone()),
        command: Some(process.command.clone()),
        env: env(process, image),
        working_dir: Some(process.working_dir.clone()),
        user: Some(process.user.clone()),
        groups: process.groups.clone(),
        terminal: process.terminal,
        stdin_open: process.stdin_open,
        stdin_once: process.stdin_once,
        hostname: spec.hostname.clone(),
        domainname: spec.domainname.clone(),
        labels: spec.labels.clone(),
        network: spec.network.clone(),
        mounts,
        anonymous_volumes,
        limits: spec.limits.clone(),
        security: spec.security.clone(),
        restart: spec.restart,
        auto_remove: spec.auto_remove,
        stop_signal: spec.stop_signal,
        stop_timeout: spec.stop_timeout,
        init: spec.init,
        system: if spec.system {
            SystemChoice::Always
        } else {
            SystemChoice::Never
        },
        read_only_root: spec.read_only_root,
        shm_bytes: spec.shm_bytes,
        rlimits: spec.rlimits.clone(),
        sysctls: spec.sysctls.clone(),
        devices: spec.devices.clone(),
        oom_score_adj: spec.oom_score_adj,
        health: health(spec, image),
        log: spec.log.clone(),
        annotations: spec.annotations.clone(),
        console_size: process.console_size,
    }
}

/// The variables, after the names of those of the image that the container does not have.
fn env(process: &Process, image: &ImageConfig) -> Vec<String> {
    let name = |entry: &String| {
        entry
            .split_once('=')
            .map_or(entry.as_str(), |(name, _)| name)
            .to_owned()
    };
    let own: HashSet<String> = process.env.iter().map(name).collect();
    let mut known = HashSet::new();
    let of_image: Vec<String> = image
        .env
        .iter()
        .map(name)
        .filter(|name| known.insert(name.clone()))
        .collect();
    let removed = of_image.iter().filter(|name| !own.contains(*name)).cloned();
    let env: Vec<String> = removed.chain(process.env.iter().cloned()).collect();
    if merge_env(&image.env, &env) == process.env {
        return env;
    }
    // One that was removed and set again stands in another place than the image has it.
    of_image.into_iter().chain(process.env.iter().cloned()).collect()
}

/// The image's probe has to be taken away where the container has none.
fn health(spec: &Spec, image: &ImageConfig) -> Option<HealthCheck> {
    let none = HealthCheck {
        test: Probe::None,
        interval: None,
        timeout: None,
        retries: None,
        start_period: None,
        start_interval: None,
    };
    spec.health.clone().or_else(|| image.health.as_ref().map(|_| none))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::containers::merge::{FromImage, merge};
    use model::container::spec::ImageChoice;
    use model::container::{ContainerName, RestartPolicy};
    use model::image::{Digest, Reference};
    use model::mount::Mount;
    use proptest::prelude::*;

    fn spec_of(new: NewContainer, image: &ImageConfig) -> Spec {
        let from = FromImage {
            choice: ImageChoice {
                reference: Reference::parse("busybox").unwrap(),
                id: Digest::from_sha256([1; 32]),
            },
            config: image.clone(),
        };
        merge(new, ContainerName::parse("web").unwrap(), from, || "a".repeat(64))
    }

    fn variables() -> impl Strategy<Value = Vec<String>> {
        proptest::collection::vec("[A-D](=[a-z]{0,2})?", 0..6)
    }

    fn words() -> impl Strategy<Value = Vec<String>> {
        proptest::collection::vec("[a-z]{1,3}", 0..3)
    }

    fn paths() -> impl Strategy<Value = Vec<String>> {
        proptest::collection::vec("/[a-c]", 0..3)
    }

    fn health() -> impl Strategy<Value = Option<HealthCheck>> {
        let check = |test| HealthCheck {
            test,
            interval: None,
            timeout: None,
            retries: Some(2),
            start_period: None,
            start_interval: None,
        };
        prop_oneof![
            Just(None),
            Just(Some(check(Probe::None))),
            Just(Some(check(Probe::Shell("true".to_owned())))),
        ]
    }

    fn image() -> impl Strategy<Value = ImageConfig> {
        (words(), words(), variables(), paths(), health()).prop_map(|(entrypoint, command, env, volumes, health)| {
            ImageConfig {
                entrypoint,
                command,
                env: env.into_iter().filter(|entry| entry.contains('=')).collect(),
                volumes,
                health,
                labels: vec![("tier".to_owned(), "image".to_owned())],
                exposed_ports: vec!["80/tcp".to_owned()],
                stop_signal: Some("SIGQUIT".to_owned()),
                user: "1000".to_owned(),
                ..ImageConfig::default()
            }
        })
    }

    prop_compose! {
        fn asked()(
            entrypoint in proptest::option::of(words()),
            command in proptest::option::of(words()),
            env in variables(),
            volumes in paths(),
            binds in paths(),
            health in health(),
            label in "(image|own)",
            always in any::<bool>(),
        ) -> NewContainer {
            let mut mounts: Vec<Mount> = Vec::new();
            for target in binds {
                if mounts.iter().all(|mount| mount.target != target) {
                    mounts.push(Mount::parse(&format!("data:{target}:ro")).unwrap());
                }
            }
            NewContainer {
                entrypoint,
                command,
                env,
                mounts,
                anonymous_volumes: volumes,
                health,
                labels: vec![("tier".to_owned(), label)],
                restart: if always { RestartPolicy::Always } else { RestartPolicy::No },
                ..NewContainer::of_image("busybox")
            }
        }
    }

    proptest! {
        #[test]
        fn the_request_made_from_a_specification_gives_it_again(image in image(), new in asked()) {
            let spec = spec_of(new, &image);
            let own = vec!["a".repeat(64)];
            let again = spec_of(request_of(&spec, &image, &own), &image);
            prop_assert_eq!(again, spec);
        }
    }
}
