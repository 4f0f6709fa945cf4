//! What a reload cannot change, and what it says of it.

use crate::admin::AdminSettings;
use crate::config;
use crate::gateway::ListenerSettings;
use crate::net::{ListenAddress, ServerTls};

/// The settings that a process keeps from its start to its end.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Fixed {
    pub(super) listeners: Vec<ListenAddress>,
    /// Whether each speaks TLS: a port must not turn clear by a slip of the pen.
    tls: Vec<bool>,
    pub(super) admin: AdminSettings,
    workers: usize,
    connections: usize,
    remembered_tokens: usize,
}

impl Fixed {
    pub(super) fn of(gateway: &config::Gateway) -> Self {
        Self {
            listeners: gateway.listeners.iter().map(|listener| listener.address.clone()).collect(),
            tls: gateway.listeners.iter().map(|listener| listener.tls.is_some()).collect(),
            admin: gateway.admin.clone(),
            workers: gateway.workers,
            connections: gateway.limits.connections,
            remembered_tokens: gateway.limits.remembered_tokens,
        }
    }

    /// The keys whose new values wait for a restart.
    pub(super) fn changed(&self, gateway: &config::Gateway) -> Vec<&'static str> {
        let new = Self::of(gateway);
        let differs = [
            ("listeners.address", self.listeners != new.listeners),
            ("listeners.tls", self.listeners == new.listeners && self.tls != new.tls),
            ("admin.address", self.admin.address != new.admin.address),
            ("admin.token", self.admin.token != new.admin.token),
            ("admin.open_metrics", self.admin.open_metrics != new.admin.open_metrics),
            ("workers", self.workers != new.workers),
            ("limits.connections", self.connections != new.connections),
            ("limits.remembered_tokens", self.remembered_tokens != new.remembered_tokens),
        ];
        differs.into_iter().filter(|(_, differs)| *differs).map(|(key, _)| key).collect()
    }

    /// The listeners as they are bound, with what the new file says of each address; one that it no longer names stays as it is.
    pub(super) fn listeners(&self, old: &[ListenerSettings], new: &[ListenerSettings]) -> Vec<ListenerSettings> {
        let bound = self.listeners.iter().zip(old);
        bound
            .map(|(address, old)| {
                let new = new.iter().find(|listener| listener.address == *address).unwrap_or(old);
                ListenerSettings { tls: going_on(old.tls.as_ref(), new.tls.as_ref()), ..new.clone() }
            })
            .collect()
    }
}

/// New certificates with the sessions of the old; that there is TLS, or is none, stays as it is.
fn going_on(old: Option<&ServerTls>, new: Option<&ServerTls>) -> Option<ServerTls> {
    let old = old?;
    Some(new.map_or_else(|| old.clone(), |new| new.clone().going_on_from(old)))
}
