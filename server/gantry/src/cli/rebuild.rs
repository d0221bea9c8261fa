use crate::config::{Config, Given};
use clap::Args;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, Args)]
pub(crate) struct Rebuild {
    /// Configuration file of the server
    #[arg(long, value_name = "FILE", env = "GANTRY_CONFIG")]
    config: Option<PathBuf>,
    #[arg(long, value_name = "DIR", env = "GANTRY_DATA_DIR")]
    data_dir: Option<PathBuf>,
    #[arg(long, value_name = "DIR", env = "GANTRY_RUN_DIR")]
    run_dir: Option<PathBuf>,
}

impl Rebuild {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let given = Given {
            data_dir: self.data_dir,
            run_dir: self.run_dir,
            ..Given::default()
        };
        let config = Config::settle(given.or(Given::read(self.config.as_deref())?))?;
        // An ordinary user's containers have files of ids that only its namespace knows.
        let _rootless = crate::rootless::enter(&config.run_dir)?;
        let rebuilt = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?
            .block_on(engine::rebuild(&config.data_dir, &config.run_dir))?;
        if rebuilt.is_empty() {
            println!("the database has every container that is on the disk");
        }
        let mut code = ExitCode::SUCCESS;
        for container in rebuilt {
            match container.outcome {
                Ok(name) => println!("{} rebuilt as {name}", container.id.short()),
                Err(why) => {
                    eprintln!("gantry: {} is not rebuilt: {why}", container.id.short());
                    code = ExitCode::FAILURE;
                }
            }
        }
        Ok(code)
    }
}
