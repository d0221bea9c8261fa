//! `config.json` as anybody may have written it, up to the moment before something of
//! the container is made.

use bundle::config_file;
use std::path::Path;

pub(crate) fn run(bytes: &[u8]) {
    let Ok(config) = config_file::parse(Path::new("config.json"), bytes) else {
        return;
    };
    // Opening any file of the host by name is no pure function: only these.
    let namespaces = config
        .spec
        .linux()
        .as_ref()
        .and_then(|linux| linux.namespaces().clone());
    let odd = |path: &std::path::PathBuf| !path.as_os_str().is_empty() && !path.starts_with("/proc/self/ns");
    if namespaces
        .iter()
        .flatten()
        .any(|namespace| namespace.path().as_ref().is_some_and(odd))
    {
        return;
    }
    if let Err(error) = runtime::fuzz::plan(&config.spec) {
        assert!(!error.to_string().is_empty());
    }
}
