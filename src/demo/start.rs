//! All of the demo, from its start to its end.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::app::{self, Running, StartFault};
use crate::clock::Clock;
use crate::config;
use crate::sample_api;
use crate::store::{Seconds, Store};

use super::client::Client;
use super::fault::DemoFault;
use super::files;
use super::first_tokens::{self, FirstTokens};
use super::folder::Folder;
use super::page::{self, Page};
use super::people::{OPERATOR_CLIENT, PAGE_CLIENT, People};
use super::ready;

/// How long answers that have begun may take at the end.
const GRACE: Duration = Duration::from_secs(2);

/// The addresses that were asked for; `None` is the usual port, or a free one where that is taken.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wanted {
    /// The page; 127.0.0.1:8088.
    pub page: Option<SocketAddr>,
    /// The gateway; 127.0.0.1:8080.
    pub gateway: Option<SocketAddr>,
    /// Its admin listener; 127.0.0.1:9901.
    pub admin: Option<SocketAddr>,
    /// The authorization server; 127.0.0.1:8081.
    pub authorization_server: Option<SocketAddr>,
    /// The sample API; 127.0.0.1:9000.
    pub api: Option<SocketAddr>,
}

/// Where everything listens.
#[derive(Clone, Copy, Debug)]
pub struct Addresses {
    /// The page.
    pub page: SocketAddr,
    /// The gateway.
    pub gateway: SocketAddr,
    /// Its admin listener.
    pub admin: SocketAddr,
    /// The authorization server.
    pub authorization_server: SocketAddr,
    /// The sample API.
    pub api: SocketAddr,
}

impl Addresses {
    /// The authorization server's issuer identifier.
    pub fn issuer(&self) -> String {
        format!("http://{}", self.authorization_server)
    }
}

/// A demo that runs. Dropped before [`Demo::wait`], it leaves no folder behind.
#[derive(Debug)]
pub struct Demo {
    addresses: Addresses,
    tokens: FirstTokens,
    gateway: Running,
    authorization_server: JoinHandle<()>,
    own: Own,
    folder: Folder,
}

impl Demo {
    /// Starts everything: when this returns, every address answers, and the gateway is ready.
    ///
    /// # Errors
    ///
    /// [`DemoFault`]; nothing is left behind.
    pub fn start(wanted: Wanted) -> Result<Self, DemoFault> {
        let page = listener(wanted.page, 8088)?;
        let api = listener(wanted.api, 9000)?;
        let addresses = addresses(wanted, &page, &api)?;
        let people = People::new()?;
        let own = Own::start()?;
        let folder = folder(&addresses)?;
        let redirect_uri = format!("http://{}/callback", addresses.page);
        let store = own.runtime.block_on(enrol(&folder, &people, &redirect_uri))?;
        let server = app::start_authorization_server(&folder.file("authorization-server.yaml"))?;
        let authorization_server = std::thread::Builder::new()
            .name("authorization-server".into())
            .spawn(move || server.wait())
            .map_err(DemoFault::system("the authorization server"))?;
        let client = |id: &str, secret: &str| Client {
            issuer: addresses.issuer(),
            id: id.to_owned(),
            secret: secret.to_owned(),
            redirect_uri: redirect_uri.clone(),
        };
        let page_client = client(PAGE_CLIENT, &people.secrets.page);
        let operator = client(OPERATOR_CLIENT, &people.secrets.operator);
        let now = now();
        let tokens = own.runtime.block_on(async {
            let tokens = first_tokens::get(&page_client, &store, &people.nora, now).await;
            store.close().await;
            tokens
        })?;
        let own = own.serve(Page::new(addresses, people, page_client, operator), page, api, &folder)?;
        let gateway = app::start(&folder.file("scopegate.yaml"))?;
        let ready = own.runtime.block_on(ready::wait_for(addresses.admin));
        if own.interrupted.load(Ordering::Relaxed) {
            return Err(DemoFault::Interrupted);
        }
        ready?;
        Ok(Self { addresses, tokens, gateway, authorization_server, own, folder })
    }

    /// Where everything listens.
    pub fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// Tokens for the first requests.
    pub fn tokens(&self) -> &FirstTokens {
        &self.tokens
    }

    /// The policy file: an edit is in force as it is saved.
    pub fn policy(&self) -> PathBuf {
        self.folder.file("routes.yaml")
    }

    /// The folder with every file.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Returns when a signal has ended everything, in the order in which one needs the other.
    pub fn wait(self) {
        let Self { gateway, authorization_server, own, folder, .. } = self;
        // What went wrong with it is in its log.
        let _ = gateway.wait();
        // A thread that panicked has ended too.
        let _ = authorization_server.join();
        own.end();
        drop(folder);
    }
}

/// What this room serves itself: the page and the sample API.
#[derive(Debug)]
struct Own {
    runtime: Runtime,
    end: watch::Sender<bool>,
    serving: JoinSet<io::Result<()>>,
    /// Whether a signal came that not every server was there to hear.
    interrupted: Arc<AtomicBool>,
}

impl Own {
    fn start() -> Result<Self, DemoFault> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("demo")
            .enable_all()
            .build()
            .map_err(DemoFault::system("the runtime"))?;
        let interrupted = Arc::new(AtomicBool::new(false));
        let entered = runtime.enter();
        for kind in [SignalKind::interrupt(), SignalKind::terminate()] {
            // From here on a signal ends nothing by itself: the folder that is made next will be removed.
            let mut heard = signal(kind).map_err(DemoFault::system("listening for signals"))?;
            let interrupted = Arc::clone(&interrupted);
            tokio::spawn(async move {
                heard.recv().await;
                interrupted.store(true, Ordering::Relaxed);
            });
        }
        drop(entered);
        Ok(Self { runtime, end: watch::Sender::new(false), serving: JoinSet::new(), interrupted })
    }

    fn serve(
        mut self,
        page: Page,
        page_listener: TcpListener,
        api: TcpListener,
        folder: &Folder,
    ) -> Result<Self, DemoFault> {
        let rows = self.runtime.block_on(page.people().rows(&folder.file("sample-api.sqlite")))?;
        let entered = self.runtime.enter();
        let (page_listener, api) = (asynchronous(page_listener)?, asynchronous(api)?);
        self.serving.spawn(sample_api::serve(api, rows.clone(), self.ended()));
        self.serving.spawn(page::serve(page_listener, page, self.ended()));
        drop(entered);
        Ok(self)
    }

    fn ended(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut end = self.end.subscribe();
        // An error is a sender that is gone: the end as well.
        async move { drop(end.wait_for(|ended| *ended).await) }
    }

    fn end(mut self) {
        self.end.send_replace(true);
        self.runtime.block_on(async {
            let all = async { while self.serving.join_next().await.is_some() {} };
            // What a peer still waits for after that, nobody answers any more.
            let _ = tokio::time::timeout(GRACE, all).await;
        });
        self.runtime.shutdown_background();
    }
}

/// All held at one time, so that no two are given one port; then let go for the servers that bind their addresses themselves.
fn addresses(wanted: Wanted, page: &TcpListener, api: &TcpListener) -> Result<Addresses, DemoFault> {
    let gateway = listener(wanted.gateway, 8080)?;
    let admin = listener(wanted.admin, 9901)?;
    let authorization_server = listener(wanted.authorization_server, 8081)?;
    Ok(Addresses {
        page: local(page)?,
        api: local(api)?,
        gateway: local(&gateway)?,
        admin: local(&admin)?,
        authorization_server: local(&authorization_server)?,
    })
}

fn folder(addresses: &Addresses) -> Result<Folder, DemoFault> {
    let folder = Folder::new()?;
    folder.write("routes.yaml", files::ROUTES)?;
    folder.write("gateway.token", &super::random::secret()?)?;
    folder.write("scopegate.yaml", &files::gateway(addresses))?;
    folder.write("authorization-server.yaml", &files::authorization_server(addresses))?;
    Ok(folder)
}

/// Makes the authorization server's database before the server opens it, so that it makes no administrator of its own.
async fn enrol(folder: &Folder, people: &People, redirect_uri: &str) -> Result<Store, DemoFault> {
    let (loaded, _) = config::load_authorization_server(&folder.file("authorization-server.yaml"));
    let loaded = loaded.map_err(StartFault::Files)?;
    let longest = Seconds::try_from(loaded.settings.lifetimes.access_token.as_secs()).unwrap_or(Seconds::MAX);
    let (store, _) = Store::open(&loaded.settings.database, longest).await?;
    people.enrol(&store, &loaded.catalogue, redirect_uri, now()).await?;
    Ok(store)
}

fn now() -> Seconds {
    Seconds::try_from(Clock::system().now().as_secs()).unwrap_or(Seconds::MAX)
}

fn asynchronous(listener: TcpListener) -> Result<tokio::net::TcpListener, DemoFault> {
    let listener = listener.set_nonblocking(true).and_then(|()| tokio::net::TcpListener::from_std(listener));
    listener.map_err(DemoFault::system("a listener"))
}

/// The address that was asked for, or the usual one, or a free one.
fn listener(wanted: Option<SocketAddr>, usual: u16) -> Result<TcpListener, DemoFault> {
    let on_loopback = |port| SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port);
    let bound = match wanted {
        Some(address) if !address.ip().is_loopback() => return Err(DemoFault::NotLoopback(address)),
        Some(address) => TcpListener::bind(address),
        None => TcpListener::bind(on_loopback(usual)).or_else(|_| TcpListener::bind(on_loopback(0))),
    };
    bound.map_err(|source| DemoFault::Listen { address: wanted.unwrap_or_else(|| on_loopback(usual)), source })
}

fn local(listener: &TcpListener) -> Result<SocketAddr, DemoFault> {
    listener.local_addr().map_err(DemoFault::system("a listener"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_is_replaced_unless_it_was_asked_for() {
        let holder = TcpListener::bind("127.0.0.1:0").expect("a port");
        let taken = holder.local_addr().expect("an address");
        let replaced = listener(None, taken.port()).expect("another port");
        assert_ne!(local(&replaced).expect("an address").port(), taken.port());
        assert!(matches!(listener(Some(taken), taken.port()), Err(DemoFault::Listen { .. })));
    }

    #[test]
    fn nothing_but_loopback_is_listened_on() {
        for text in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0"] {
            let address = text.parse().expect("an address");
            assert!(matches!(listener(Some(address), 0), Err(DemoFault::NotLoopback(_))), "{text}");
        }
    }
}
