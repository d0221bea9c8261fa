//! The JSON types of the native API, shared by the server and the panel.
//!
//! Sizes are bytes, times RFC 3339 in UTC, names snake_case. In requests an
//! absent field means unchanged or default, `null` clears, and an unknown field
//! is refused. Responses may gain fields; clients ignore unknown fields.
//!
//! # Routes under `/api/v1`
//!
//! | method and path | request | response |
//! | --- | --- | --- |
//! | `GET /setup` | | [`session::Setup`] |
//! | `POST /setup` | [`session::SetupRequest`] | [`session::Me`] and the cookie |
//! | `POST /session` | [`session::SignIn`] | [`session::Me`] and the cookie |
//! | `GET /session` | | [`session::Me`] |
//! | `DELETE /session` | | 204 |
//! | `GET /sessions`, `DELETE /sessions/{id}` | | [`list::List`] of [`session::Session`], 204 |
//! | `POST /account/password` | [`session::PasswordChange`] | [`session::Me`] and a new cookie |
//! | `GET /users`, `POST /users`, `PATCH /users/{id}`, `DELETE /users/{id}` | [`user::NewUser`], [`user::UserChange`] | [`user::User`] |
//! | `GET /tokens`, `POST /tokens`, `DELETE /tokens/{id}` | [`user::NewToken`] | [`user::Token`], [`user::FreshToken`] |
//! | `GET /containers?limit&cursor&state&q&label` | | [`list::List`] of [`container::Container`] |
//! | `POST /containers` | [`create::NewContainer`] | 201 [`create::Created`] |
//! | `POST /containers/check` | [`create::NewContainer`] | [`problem::Mistakes`], empty when it could be created |
//! | `GET /containers/{id}` | | [`container::Details`] |
//! | `PATCH /containers/{id}` | [`container::Change`] | [`container::Details`] |
//! | `DELETE /containers/{id}?force&volumes` | | 204 |
//! | `POST /containers/{id}/start`, `/stop?timeout&signal`, `/restart?timeout`, `/kill?signal`, `/pause`, `/unpause` | | 204 |
//! | `GET /containers/{id}/wait?until` | | [`container::Ended`] |
//! | `GET /containers/{id}/limits`, `PATCH …` | [`limits::Limits`] | [`limits::Limits`] as read back |
//! | `GET /containers/{id}/health` | | [`container::HealthReport`], or `null` without a probe |
//! | `GET /containers/{id}/processes` | | [`list::List`] of [`container::Process`] |
//! | `GET /containers/{id}/stats` | | [`stats::Stats`] |
//! | `GET /containers/{id}/stats/history?seconds` | | [`stats::History`] |
//! | `GET /containers/{id}/stats/follow`, `GET /events/follow?from`, `GET /tasks/{id}/follow` | | JSON lines of [`stats::Stats`], [`event::Event`], [`task::Task`] |
//! | `GET /containers/{id}/logs?from&max&since&until&stream` or `?tail` | | [`logs::Page`] |
//! | `GET /containers/{id}/logs/search?q&regex&case&stream&max` | | [`logs::Hits`] |
//! | `GET /containers/{id}/logs/at?time` | | [`logs::Position`] |
//! | `GET /containers/{id}/logs/download?format=text\|json` | | the log as a file |
//! | `GET /containers/{id}/logs/follow?from` | | JSON lines of [`logs::Line`], for `curl -N` |
//! | `GET /containers/{id}/files?path` | | [`list::List`] of [`file::File`] |
//! | `GET /containers/{id}/archive?path`, `PUT …?path&own_user&keep_directories` | a tar | a tar, 204 |
//! | `GET /containers/{id}/export` | | the files as a tar |
//! | `GET /containers/{id}/changes` | | [`list::List`] of [`file::ChangedFile`] |
//! | `POST /containers/{id}/commit` | [`file::NewCommit`] | 201 [`file::Committed`] |
//! | `POST /containers/{id}/execs` | [`exec::NewExec`] | 201 [`exec::ExecCreated`] |
//! | `GET /execs/{id}` | | [`exec::Exec`] |
//! | `GET /images`, `GET /images/{id}` | | [`list::List`] of [`image::Image`], [`image::Details`] |
//! | `POST /images/pull` | [`image::Pull`] | 202 [`task::Task`] |
//! | `POST /images/load` | an archive as body | 202 [`task::Task`] |
//! | `POST /images/import?reference&command` | a root filesystem as tar | 202 [`task::Task`] |
//! | `POST /images/{id}/tag` | [`image::NewTag`] | 204 |
//! | `DELETE /images/{id-or-reference}?force` | | [`image::Removed`] |
//! | `GET /images/tree` | | [`layer::Tree`] |
//! | `GET /images/{id}/layers/{position}/files?path&whole` | | [`list::List`] of [`layer::File`]: one directory of the layer, or of the result so far |
//! | `GET /images/{id}/waste` | | [`layer::Waste`] |
//! | `GET /images/{id}/sbom?format=spdx\|cyclonedx` | | the packages found, as that document |
//! | `GET /images/{id}/referrers` | | [`list::List`] of [`image::Referrer`] |
//! | `GET /images/{id}/save?format=docker\|oci` | | the image as a tar |
//! | `POST /images/{id}/push` | [`registry::Push`] | 202 [`task::Task`] |
//! | `POST /images/prune` | [`layer::Prune`] | [`layer::Pruned`] |
//! | `POST /images/verify` | | 202 [`task::Task`] |
//! | `POST /images/templates` | [`layer::Template`] | 202 [`task::Task`] |
//! | `GET /registries` | | [`list::List`] of [`registry::Registry`] |
//! | `PUT /registries/{host}`, `DELETE /registries/{host}` | [`registry::RegistrySetup`] | [`registry::Registry`], 204 |
//! | `POST /registries/{host}/check` | | [`registry::Verdict`] |
//! | `POST /registries/import` | a Docker `config.json` | [`list::List`] of [`registry::Registry`] |
//! | `GET /builds`, `GET /builds/{id}` | | [`list::List`] of [`build::Build`], [`build::Details`] |
//! | `POST /builds` | [`build::NewBuild`] as JSON; or a tar with it in `?options=`; or a form with the parts `options` and `context` | 202 [`build::Build`] |
//! | `POST /builds/{id}/cancel`, `DELETE /builds/{id}` | | 202, 204 |
//! | `GET /builds/{id}/log?from&max&step` | | [`build::LinePage`] |
//! | `GET /builds/{id}/log/follow?from&step` | | JSON lines of [`build::Line`], for `curl -N` |
//! | `GET /builds/cache`, `POST /builds/cache/prune` | [`build::CachePrune`] | [`list::List`] of [`build::CacheEntry`], [`build::CachePruned`] |
//! | `GET /tasks`, `GET /tasks/{id}`, `POST /tasks/{id}/cancel` | | [`list::List`] of [`task::Task`], [`task::Task`], 202 |
//! | `GET /volumes?sizes`, `POST /volumes`, `GET /volumes/{name}`, `DELETE /volumes/{name}` | [`volume::NewVolume`] | [`volume::Volume`] |
//! | `GET /networks` | | [`list::List`] of [`network::Network`] |
//! | `GET /events?from&limit&subject` | | [`list::List`] of [`event::Event`], oldest first |
//! | `GET /system` | | [`system::System`] |
//! | `GET /system/check` | | [`system::Check`] |
//! | `GET /system/stats`, `GET /system/stats/history?seconds` | | [`stats::HostStats`], [`stats::HostHistory`] |
//! | `GET /system/usage` | | [`system::Usage`] |
//! | `GET /socket` | | WebSocket, see [`socket`] |
//!
//! `{id}` of a container is its id, its name or a unique prefix of the id.
//! Errors are [`problem::Problem`] documents.
#![forbid(unsafe_code)]

pub mod build;
pub mod container;
pub mod create;
pub mod event;
pub mod exec;
pub mod file;
pub mod image;
pub mod layer;
pub mod limits;
pub mod list;
pub mod logs;
pub mod network;
pub mod order;
pub mod problem;
pub mod registry;
pub mod session;
pub mod socket;
pub mod stats;
pub mod system;
pub mod task;
pub mod user;
pub mod volume;
