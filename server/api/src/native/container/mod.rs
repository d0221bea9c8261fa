//! Containers: their life, and what they are.

mod bulk;
mod change;
mod create;
mod exec;
pub(super) mod files;
mod health;
mod list;
mod logs;
mod orders;
mod processes;
mod read;
pub(super) mod show;
mod spec;

use super::front::Front;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) use exec::require_owner;
pub(super) use logs::{line, runs};

pub(super) fn routes() -> OpenApiRouter<Front> {
    OpenApiRouter::new()
        .routes(routes!(list::list, create::create))
        .routes(routes!(create::check))
        .routes(routes!(bulk::bulk))
        .routes(routes!(list::inspect, change::change, orders::remove))
        .routes(routes!(spec::spec))
        .routes(routes!(list::environment))
        .routes(routes!(orders::start))
        .routes(routes!(orders::stop))
        .routes(routes!(orders::restart))
        .routes(routes!(orders::kill))
        .routes(routes!(orders::pause))
        .routes(routes!(orders::unpause))
        .routes(routes!(orders::wait))
        .routes(routes!(change::limits, change::change_limits))
        .routes(routes!(health::report))
        .routes(routes!(processes::list))
        .routes(routes!(logs::read))
        .routes(routes!(logs::search))
        .routes(routes!(logs::at))
        .routes(routes!(logs::download))
        .routes(routes!(logs::follow))
        .routes(routes!(files::list))
        .routes(routes!(files::copy_out, files::copy_in))
        .routes(routes!(files::export))
        .routes(routes!(files::changes))
        .routes(routes!(files::commit))
        .routes(routes!(exec::create))
        .routes(routes!(exec::consoles))
        .routes(routes!(exec::inspect, exec::end))
}
