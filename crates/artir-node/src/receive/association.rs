//! One association: C-ECHO, C-STORE, and the reports of storage commitments.

use std::{net::IpAddr, net::TcpStream, sync::Arc, time::Duration};

use artir_dicom::TRANSFER_SYNTAXES;
use dicom_dictionary_std::uids;

use super::{
    classes,
    store::{self, OUT_OF_RESOURCES, Refusal},
};
use crate::{
    config::{Config, Route, seconds},
    network::{
        accept::{Accepted, Offer, Rejection, Request, Role, accept},
        association::{Association, Context, Fault},
        dimse::{C_ECHO, C_STORE, Command, CommitmentReport, N_EVENT_REPORT, RESPONSE, element},
        tls,
        wire::Wire,
    },
    send::commitment,
    state::Node,
};

const SUCCESS: u16 = 0;
const INVALID_ARGUMENT: u16 = 0x0115;
const UNRECOGNIZED_OPERATION: u16 = 0x0211;
/// Time for a peer that is rejected to state its request.
const REJECTION_TIME: Duration = Duration::from_secs(5);

/// Serves a connection until it ends.
pub(super) fn serve(node: &Arc<Node>, socket: TcpStream, peer: IpAddr, room: bool) {
    let config = node.config();
    let wire = tls::accepted(node.tls())
        .map_err(|e| e.to_string())
        .and_then(|tls| Wire::new(socket, tls, Arc::clone(&node.stop)).map_err(|e| e.to_string()));
    let wire = match wire {
        Ok(wire) => wire,
        Err(e) => return tracing::warn!(%peer, "connection failed: {e}"),
    };
    let time = seconds(config.listen.request_seconds);
    let time = if room { time } else { time.min(REJECTION_TIME) };
    let mut route = None;
    let decide = |request: &Request| {
        route = choose(node, &config, request, peer, room)?;
        Ok(offer(&config, request, route))
    };
    let (accepted, request) = accept(wire, time, decide);
    let association = match (accepted, request) {
        (Accepted::Yes(association), Some(request)) => {
            tracing::info!(%peer, calling = request.calling, called = request.called, "association accepted");
            association
        }
        (Accepted::Rejected(rejection, request), _) => {
            node.metrics.rejected(label(rejection));
            let (calling, called) = (request.calling, request.called);
            return tracing::warn!(%peer, calling, called, "association rejected: {}", label(rejection));
        }
        (Accepted::Failed(e), _) => {
            node.metrics.rejected("failed");
            return tracing::info!(%peer, "no association: {e}");
        }
        (Accepted::Yes(_), None) => return,
    };
    let _open = node.metrics.association();
    Session { node, config: &config, peer, route, association: *association }.run();
}

fn label(rejection: Rejection) -> &'static str {
    match rejection {
        Rejection::Called => "called AE title",
        Rejection::Calling => "calling AE title or address",
        Rejection::ApplicationContext => "application context",
        Rejection::Version => "protocol version",
        Rejection::Limit => "limit",
    }
}

/// The route of a request. `None` for the node's own title, by which targets report storage commitments.
fn choose<'a>(
    node: &Node,
    config: &'a Config,
    request: &Request,
    peer: IpAddr,
    room: bool,
) -> Result<Option<&'a Route>, Rejection> {
    let route = config.routes.iter().find(|route| route.called.contains(&request.called));
    if let Some(route) = route {
        let title = route.calling.is_empty() || route.calling.contains(&request.calling);
        let address = route.addresses.is_empty() || route.addresses.iter().any(|range| range.contains(peer));
        if !title || !address {
            // A target reports its commitment to the node's title, whoever else may send to a route of that title.
            return if request.called == config.listen.ae_title && is_reporter(config, &request.calling) {
                if room && !node.stops() { Ok(None) } else { Err(Rejection::Limit) }
            } else {
                Err(Rejection::Calling)
            };
        }
    } else if request.called != config.listen.ae_title {
        return Err(Rejection::Called);
    }
    use std::sync::atomic::Ordering::Relaxed;
    let full = route.is_some() && node.free_mib() < config.disk.watermark_mib;
    if !room || full || node.stops() || route.is_some() && node.draining.load(Relaxed) {
        return Err(Rejection::Limit);
    }
    Ok(route)
}

/// Whether a title is that of a target which is asked for storage commitment.
fn is_reporter(config: &Config, title: &str) -> bool {
    config.targets.iter().any(|target| target.commitment && target.ae_title.as_deref() == Some(title))
}

fn offer<'a>(config: &Config, request: &Request, route: Option<&Route>) -> Offer<'a> {
    let mut found = vec![(uids::VERIFICATION, Role::User)];
    found.extend(route.into_iter().flat_map(classes::of).map(|class| (class, Role::User)));
    if request.called == config.listen.ae_title {
        found.push((uids::STORAGE_COMMITMENT_PUSH_MODEL, Role::Provider));
    }
    Offer { classes: found, syntaxes: &TRANSFER_SYNTAXES }
}

struct Session<'a> {
    node: &'a Node,
    config: &'a Config,
    peer: IpAddr,
    route: Option<&'a Route>,
    association: Association,
}

impl Session<'_> {
    fn run(mut self) {
        let idle = seconds(self.config.listen.idle_seconds);
        loop {
            let handled = match self.association.command(idle) {
                Ok(Some((context, command))) => self.handle(context, &command, idle),
                Ok(None) => {
                    tracing::info!(peer = %self.peer, "association released");
                    return self.association.leave();
                }
                Err(fault) => Err(fault),
            };
            if let Err(fault) = handled {
                self.node.metrics.aborted();
                tracing::warn!(peer = %self.peer, "association ended: {fault}");
                return self.association.abort(&fault);
            }
        }
    }

    fn handle(&mut self, id: u8, command: &Command, idle: Duration) -> Result<(), Fault> {
        let context = self.association.context(id).cloned();
        let context = context.ok_or(Fault::Protocol("a presentation context that was not accepted"))?;
        match command.get(element::COMMAND) {
            Some(C_ECHO) => self.association.send_command(id, &Command::response(command, SUCCESS)),
            Some(C_STORE) if command.has_data_set() => self.store(&context, command, idle),
            Some(N_EVENT_REPORT) if context.class == uids::STORAGE_COMMITMENT_PUSH_MODEL && command.has_data_set() => {
                self.report(&context, command, idle)
            }
            Some(field) if field & RESPONSE == 0 => {
                if command.has_data_set() {
                    self.association.data(id, idle, |_| Ok(()))?;
                }
                self.association.send_command(id, &Command::response(command, UNRECOGNIZED_OPERATION))
            }
            _ => Err(Fault::Protocol("a command that is no request")),
        }
    }

    fn store(&mut self, context: &Context, command: &Command, idle: Duration) -> Result<(), Fault> {
        let route = self.route.ok_or(Fault::Protocol("C-STORE in a presentation context of another service"))?;
        // As it is now: an administrator may have changed it since the association began.
        let config = self.node.config();
        let most = config.listen.object_mib.saturating_mul(1 << 20);
        let mut receiving = match config.route(&route.name) {
            Some(route) => store::begin(self.node, &config, route, context, command),
            None => Err(Refusal::new(OUT_OF_RESOURCES, "the route is not configured any more")),
        };
        let mut length = 0_u64;
        self.association.data(context.id, idle, |part| {
            length += part.len() as u64;
            if length > most {
                return Err(Fault::Protocol("an object larger than object_mib allows"));
            }
            if let Ok(object) = &mut receiving
                && let Err(refusal) = object.write(part)
            {
                // The rest of the object is read, but goes nowhere.
                receiving = Err(refusal);
            }
            Ok(())
        })?;
        let response = match receiving.and_then(store::Receiving::finish) {
            Ok(()) => Command::response(command, SUCCESS),
            Err(refusal) => {
                self.node.metrics.refused(&route.name, refusal.status);
                let status = format!("{:04X}", refusal.status);
                tracing::warn!(peer = %self.peer, route = route.name, status, "object refused: {}", refusal.comment);
                Command::response(command, refusal.status).comment(&refusal.comment)
            }
        };
        self.association.send_command(context.id, &response)
    }

    /// The report of a storage commitment that a target makes on an association of its own.
    fn report(&mut self, context: &Context, command: &Command, idle: Duration) -> Result<(), Fault> {
        let bytes = self.association.small_data(context.id, idle)?;
        let taken = CommitmentReport::read(&bytes).is_some_and(|report| commitment::take(self.node, &report));
        let status = if taken { SUCCESS } else { INVALID_ARGUMENT };
        self.association.send_command(context.id, &Command::response(command, status))
    }
}
