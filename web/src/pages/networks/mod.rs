//! Networks, with who is on them and which ports lead in.

use super::containers::describe;
use super::frame::{Head, Reader};
use crate::components::icon::icon;
use crate::components::notice::Empty;
use crate::format::order::sort;
use crate::state::App;
use crate::state::signal::See;
use leptos::prelude::*;
use leptos_router::components::A;
use shared::container::Port;
use shared::list::List;
use shared::network::Network;

/// The page.
#[component]
pub fn Networks() -> impl IntoView {
    let reader = Reader::<List<Network>>::new("/networks");
    view! {
        <div class="page">
            <Head title="Networks"/>
            {reader.show("Networks could not be listed", cards)}
            {ports()}
        </div>
    }
}

fn cards(_: Reader<List<Network>>, list: List<Network>) -> AnyView {
    view! { <div class="networks">{list.items.into_iter().map(card).collect_view()}</div> }.into_any()
}

fn card(network: Network) -> AnyView {
    let purpose = match network.kind.as_str() {
        "bridge" => "Each container has its own address and reaches other networks through the host.",
        "host" => "Containers use the network of the host: no isolation, no published ports.",
        "none" => "Containers have a loopback device only.",
        _ => "",
    };
    let members = network
        .members
        .into_iter()
        .map(|member| {
            view! {
                <li class="line">
                    <A href=["/containers/", &member.id].concat() attr:class="line__name grow">{member.name}</A>
                    <code class="muted nowrap">{member.address}</code>
                </li>
            }
        })
        .collect_view();
    let empty = members.is_empty();
    let name = network.name.clone();
    view! {
        <section class="card" data-testid="networks.card" data-name=name>
            <header class="card__head">
                {icon("network")} <h2>{network.name}</h2> <span class="badge">{network.kind}</span>
            </header>
            <div class="card__body stack">
                <p class="muted">{purpose}</p>
                <dl class="facts">
                    {network.subnet.map(|subnet| view! { <dt>"Subnet"</dt> <dd class="mono">{subnet}</dd> })}
                    {network.gateway.map(|gateway| view! { <dt>"Gateway"</dt> <dd class="mono">{gateway}</dd> })}
                    {network.device.map(|device| view! { <dt>"Device"</dt> <dd class="mono">{device}</dd> })}
                </dl>
            </div>
            {(!empty).then(|| view! { <ul class="networks__members">{members}</ul> })}
        </section>
    }
    .into_any()
}

/// Every published port of the host in one table.
fn ports() -> AnyView {
    let app = App::get();
    let rows = Memo::new(move |_| {
        let mut rows: Vec<(Port, String, String)> = app.containers.items.see(|items| {
            items
                .values()
                .flat_map(|item| {
                    item.ports
                        .iter()
                        .map(|port| (port.clone(), item.id.clone(), item.name.clone()))
                })
                .collect()
        });
        sort(&mut rows, &mut |a, b| (a.0.host_port, &a.2).cmp(&(b.0.host_port, &b.2)));
        rows
    });
    let body = move || {
        rows.get()
            .into_iter()
            .map(|(port, id, name)| {
                let address = port.host_address.clone().unwrap_or_else(|| "every address".to_owned());
                view! {
                    <tr>
                        <td>{describe::ports(std::slice::from_ref(&port))}</td>
                        <td class="muted">{address}</td>
                        <td class="muted">{port.protocol.to_ascii_uppercase()}</td>
                        <td><A href=["/containers/", &id].concat()>{name}</A></td>
                    </tr>
                }
            })
            .collect_view()
    };
    view! {
        <section class="card">
            <header class="card__head">
                <h2>"Published ports"</h2>
            </header>
            <Show
                when=move || !rows.see(Vec::is_empty)
                fallback=|| view! { <Empty icon="network" text="No container publishes a port."/> }
            >
                <div class="table-scroll" tabindex="0">
                    <table class="table">
                        <thead>
                            <tr>
                                <th scope="col">"Port"</th>
                                <th scope="col">"Address of the host"</th>
                                <th scope="col">"Protocol"</th>
                                <th scope="col">"Container"</th>
                            </tr>
                        </thead>
                        <tbody>{body}</tbody>
                    </table>
                </div>
            </Show>
        </section>
    }
    .into_any()
}
