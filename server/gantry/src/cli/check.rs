use clap::Args;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, Args)]
pub(crate) struct Check {
    /// Prints JSON
    #[arg(long)]
    json: bool,
    /// Data directory to check
    #[arg(long, env = "GANTRY_DATA_DIR")]
    data_dir: Option<PathBuf>,
}

impl Check {
    pub(crate) fn run(self) -> ExitCode {
        let report = check::run(&check::Options {
            data_dir: self.data_dir.or_else(|| crate::config::usual_data_dir().ok()),
        });
        if self.json {
            println!("{}", report.json());
        } else {
            print!("{}", report.text());
        }
        if report.can_run_containers() {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    }
}
