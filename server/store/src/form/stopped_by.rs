//! Who asked for the end of a run: `user:NAME`, `docker`, `server` or `unknown`.

use model::container::StoppedBy;

const USER: &str = "user:";

pub(crate) fn write(by: &StoppedBy) -> String {
    match by {
        StoppedBy::User(name) => format!("{USER}{name}"),
        StoppedBy::DockerClient => "docker".to_owned(),
        StoppedBy::Server => "server".to_owned(),
        StoppedBy::Unknown => "unknown".to_owned(),
    }
}

pub(crate) fn read(text: &str) -> Result<StoppedBy, String> {
    if let Some(name) = text.strip_prefix(USER) {
        return Ok(StoppedBy::User(name.to_owned()));
    }
    match text {
        "docker" => Ok(StoppedBy::DockerClient),
        "server" => Ok(StoppedBy::Server),
        "unknown" => Ok(StoppedBy::Unknown),
        other => Err(format!("`{other}`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reads_back_as_it_was_written_and_an_unknown_word_is_an_error() {
        for by in [
            StoppedBy::User("docker".to_owned()),
            StoppedBy::DockerClient,
            StoppedBy::Server,
            StoppedBy::Unknown,
        ] {
            assert_eq!(read(&write(&by)), Ok(by));
        }
        assert!(read("nobody").is_err());
    }
}
