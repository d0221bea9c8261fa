//! `GET /version`

use crate::docker::version::{NEWEST, OLDEST, show};
use axum::Json;
use axum::extract::State;
use engine::Engine;
use serde_json::{Value, json};

pub(in crate::docker) async fn version(State(engine): State<Engine>) -> Json<Value> {
    let host = engine.host_info();
    let version = env!("CARGO_PKG_VERSION");
    Json(json!({
        "Platform": { "Name": "Gantry" },
        "Components": [
            {
                "Name": "Engine",
                "Version": version,
                "Details": {
                    "ApiVersion": show(NEWEST),
                    "MinAPIVersion": show(OLDEST),
                    "Arch": host.architecture,
                    "Os": "linux",
                    "KernelVersion": host.kernel,
                    "Experimental": "false",
                    "GitCommit": "",
                    "GoVersion": "",
                    "BuildTime": "",
                },
            },
            { "Name": "gantry-runtime", "Version": version, "Details": {} },
        ],
        "Version": version,
        "ApiVersion": show(NEWEST),
        "MinAPIVersion": show(OLDEST),
        "GitCommit": "",
        "GoVersion": "",
        "Os": "linux",
        "Arch": host.architecture,
        "KernelVersion": host.kernel,
        "Experimental": false,
        "BuildTime": "",
    }))
}
