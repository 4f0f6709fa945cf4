//! From paths to a valid gateway or policy, or every fault.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::authorization_server::Catalogue;
use crate::clock::Clock;
use crate::policy::{Entry, RouteTable};

use super::authorization_server_file::{self, AuthorizationServerFile};
use super::cases::{self, Cases};
use super::catalog::PlacedCatalog;
use super::ceilings::Switches;
use super::diagnostic::Diagnostic;
use super::faults::{Fault, Faults};
use super::gateway_file::{self, GatewayFile};
use super::inputs::Inputs;
use super::keys::Key;
use super::node::Node;
use super::policy_files;
use super::raw_policy::{self, RawPolicy};
use super::routes::{PlacedRoute, Upstreams};
use super::secrets::Folder;
use super::source::{FileId, Placed, Sources};
use super::suggest::nearest;
use super::{
    AuthorizationServerConfiguration, Gateway, Policy, TestReport, authorization_server_keys, catalog, ceilings,
    gateway_keys, inputs, policy_keys, routes, table, upstreams, yaml,
};

/// So many keys of a file are looked at to say of which kind it is.
const MOST_ROOT_KEYS: usize = 64;

/// Loads a gateway file with its policies and secrets, and runs the policies' `tests:`.
///
/// # Errors
/// Every fault of all files at once, by file and place, and the warnings found besides. A test that fails is a fault.
pub fn load_gateway(path: &Path) -> Result<Gateway, Vec<Diagnostic>> {
    load_gateway_with_inputs(path).0
}

/// Loads a gateway as [`load_gateway`] does, and also says what was read or looked for.
///
/// The second part is there in every case: a watcher has to see the mend of files that do not load.
pub fn load_gateway_with_inputs(path: &Path) -> (Result<Gateway, Vec<Diagnostic>>, Inputs) {
    let mut reading = Reading::default();
    let gateway = reading.gateway(path);
    let Reading { sources, inputs, faults } = reading;
    let outcome = finish(gateway, faults, &sources).map(|(gateway, warnings)| Gateway { warnings, ..gateway });
    (outcome, inputs)
}

/// Loads policy files alone; several add up. Their `tests:` are run and reported.
///
/// Upstreams are those that the routes name, with every default; a ceiling is on where the files have its section.
///
/// # Errors
/// Every fault of all files at once, by file and place, and the warnings found besides. A test that fails is none.
pub fn load_policy(paths: &[PathBuf]) -> Result<Policy, Vec<Diagnostic>> {
    let mut reading = Reading::default();
    let compiled = reading.policy(paths);
    let Reading { sources, faults, .. } = reading;
    let ((table, passed, failed), warnings) = finish(compiled, faults, &sources)?;
    Ok(Policy { table, warnings, tests: TestReport { passed, failed: failed.into_diagnostics(&sources) } })
}

/// Loads an authorization server's file with its secret and the scopes of its policies, and says what was read or looked for.
///
/// Of a policy's routes, roles, clients and tests only the form is checked: they are the gateway's.
///
/// # Errors
/// Every fault of all files at once, by file and place, and the warnings found besides.
pub fn load_authorization_server(path: &Path) -> (Result<AuthorizationServerConfiguration, Vec<Diagnostic>>, Inputs) {
    let mut reading = Reading::default();
    let loaded = reading.authorization_server(path);
    let Reading { sources, inputs, faults } = reading;
    let outcome = finish(loaded, faults, &sources)
        .map(|(loaded, warnings)| AuthorizationServerConfiguration { warnings, ..loaded });
    (outcome, inputs)
}

/// Says whether a file has `listeners`, and so is a gateway file.
///
/// One that has neither this nor `database` is a policy file if it has `scopes` or `routes`, else of the kind of which it has the most
/// keys, well spelt or not. A text that is no YAML is judged by the words that its lines begin with.
///
/// # Errors
/// When the file cannot be read, or is larger than 32 MiB.
pub fn is_gateway_file(path: &Path) -> std::io::Result<bool> {
    let bytes = inputs::read_bytes(path, yaml::MAX_BYTES)?;
    Ok(is_of(&String::from_utf8_lossy(&bytes), "listeners", gateway_keys::ROOT))
}

/// Says whether a file has `database`, and so is an authorization server's file, or is one all the same, as in [`is_gateway_file`].
///
/// # Errors
/// As [`is_gateway_file`].
pub fn is_authorization_server_file(path: &Path) -> std::io::Result<bool> {
    let bytes = inputs::read_bytes(path, yaml::MAX_BYTES)?;
    Ok(is_of(&String::from_utf8_lossy(&bytes), "database", authorization_server_keys::ROOT))
}

fn is_of(text: &str, own: &str, keys: &[Key]) -> bool {
    let written = yaml::root_keys(text);
    let has = |name: &str| written.iter().any(|key| key == name);
    if has("listeners") || has("database") {
        return has(own);
    }
    let is_near = |key: &str, keys: &[Key]| nearest(key, keys.iter().map(|key| key.name)).is_some();
    let known = |keys: &[Key]| written.iter().take(MOST_ROOT_KEYS).filter(|key| is_near(key, keys)).count();
    let others = [policy_keys::ROOT, gateway_keys::ROOT, authorization_server_keys::ROOT].into_iter();
    let is_policy = has("scopes") || has("routes");
    !is_policy && others.filter(|other| !std::ptr::eq(*other, keys)).all(|other| known(other) < known(keys))
}

/// Says where the admin listener of a gateway file is, or an authorization server listens, whatever else is in the file: it may have been
/// broken since the server was started with it.
///
/// # Errors
///
/// What is wrong with the file as a whole, or with this one address.
pub fn probed_address(path: &Path) -> Result<SocketAddr, Vec<Diagnostic>> {
    let mut reading = Reading::default();
    let address = reading.probed_address(path);
    let Reading { sources, faults, .. } = reading;
    finish(address, faults, &sources).map(|(address, _)| address)
}

/// What a load comes to: the value with all warnings, or every fault.
fn finish<T>(value: Option<T>, faults: Faults, sources: &Sources) -> Result<(T, Vec<Diagnostic>), Vec<Diagnostic>> {
    let refused = faults.has_errors();
    let diagnostics = faults.into_diagnostics(sources);
    match value {
        Some(value) if !refused => Ok((value, diagnostics)),
        Some(_) | None => Err(diagnostics),
    }
}

/// One load: what has been read so far, and what is wrong with it.
#[derive(Default)]
struct Reading {
    sources: Sources,
    inputs: Inputs,
    faults: Faults,
}

impl Reading {
    fn gateway(&mut self, path: &Path) -> Option<Gateway> {
        let file = self.read("gateway file", path)?;
        let folder = path.parent().unwrap_or(Path::new(""));
        let node = yaml::parse(self.sources.text(file), file, &self.faults)?;
        let mut names = Folder { path: folder, inputs: &mut self.inputs, now: Clock::system().now() };
        let settings = gateway_file::read(&node, &mut names, &self.faults);
        drop(node);
        let files = self.policy_files(&settings.policy, folder);
        let (table, passed) = compile_for(&settings, &files, &self.sources, &self.faults)?;
        gateway(settings, table, passed)
    }

    fn authorization_server(&mut self, path: &Path) -> Option<AuthorizationServerConfiguration> {
        let file = self.read("authorization server file", path)?;
        let folder = path.parent().unwrap_or(Path::new(""));
        let node = yaml::parse(self.sources.text(file), file, &self.faults)?;
        let mut names = Folder { path: folder, inputs: &mut self.inputs, now: Clock::system().now() };
        let read = authorization_server_file::read(&node, &mut names, &self.faults);
        drop(node);
        let files = self.policy_files(&read.policy, folder);
        let (sources, faults) = (&self.sources, &self.faults);
        let (nodes, all_read) = files.parse(sources, faults);
        let policies: Vec<RawPolicy<'_>> = nodes.iter().map(|node| raw_policy::read(node, faults)).collect();
        let catalog = catalog::compile(&policies, all_read, faults);
        refuse_other_meanings(&catalog, faults);
        let catalogue = Catalogue::new(&catalog.catalog);
        let AuthorizationServerFile { settings, log, .. } = read;
        Some(AuthorizationServerConfiguration { settings: settings?, catalogue, log, warnings: Vec::new() })
    }

    fn probed_address(&mut self, path: &Path) -> Option<SocketAddr> {
        let file = self.read("file", path)?;
        let text = self.sources.text(file);
        let is_gateway = is_of(text, "listeners", gateway_keys::ROOT);
        let node = yaml::parse(text, file, &self.faults)?;
        let unheard = Faults::default();
        if is_gateway {
            gateway_file::admin_address(&node, &unheard, &self.faults)
        } else {
            authorization_server_file::address(&node, &unheard, &self.faults)
        }
    }

    fn policy(&mut self, paths: &[PathBuf]) -> Option<(Arc<RouteTable>, usize, Faults)> {
        let files = PolicyFiles { list: self.read_all(paths), expected: Some(paths.len()) };
        compile_alone(&files, &self.sources, &self.faults)
    }

    /// The files that `entries` name.
    fn policy_files(&mut self, entries: &[Placed<String>], folder: &Path) -> PolicyFiles {
        let (paths, are_all) = policy_files::expand(entries, folder, &mut self.inputs, &self.faults);
        PolicyFiles { list: self.read_all(&paths), expected: are_all.then_some(paths.len()) }
    }

    fn read_all(&mut self, paths: &[PathBuf]) -> Vec<FileId> {
        paths.iter().filter_map(|path| self.read("policy file", path)).collect()
    }

    fn read(&mut self, kind: &str, path: &Path) -> Option<FileId> {
        let text = self.inputs.read_text(path);
        let text = text.map_err(|what| self.faults.push(Fault::nowhere(format!("{kind} `{}` {what}", path.display()))));
        let file = self.sources.add(path.to_owned(), text.ok()?);
        if file.is_none() {
            self.faults.push(Fault::nowhere(format!("{kind} `{}` is one file too many", path.display())));
        }
        file
    }
}

/// The policy files of a load that could be read.
struct PolicyFiles {
    list: Vec<FileId>,
    /// How many there are; `None` where that cannot be said.
    expected: Option<usize>,
}

impl PolicyFiles {
    /// Their trees, and whether these are all that there are.
    fn parse<'s>(&self, sources: &'s Sources, faults: &Faults) -> (Vec<Node<'s>>, bool) {
        let parse = |file: &FileId| yaml::parse(sources.text(*file), *file, faults);
        let nodes: Vec<_> = self.list.iter().filter_map(parse).collect();
        let all_read = self.expected == Some(nodes.len());
        (nodes, all_read)
    }
}

/// Compiles policy files under a gateway file and runs their tests: the table, and how many passed; a failing one is a fault.
fn compile_for(
    settings: &GatewayFile,
    files: &PolicyFiles,
    sources: &Sources,
    faults: &Faults,
) -> Option<(Arc<RouteTable>, usize)> {
    let (nodes, all_read) = files.parse(sources, faults);
    let policies: Vec<RawPolicy<'_>> = nodes.iter().map(|node| raw_policy::read(node, faults)).collect();
    let switches = Switches::Written {
        roles: settings.roles_ceiling,
        clients: settings.clients_ceiling,
        directory: settings.role_directory_place,
    };
    let catalog = catalog::compile(&policies, all_read, faults);
    let ceilings = ceilings::compile(&policies, switches, &catalog, faults);
    let names = settings.upstreams.iter().map(|upstream| upstream.rules.name.to_string()).collect();
    let mut upstreams = Upstreams::Listed { names, unknown: Vec::new() };
    let routes = routes::compile(&policies, &catalog, &mut upstreams, faults);
    let issuers: Vec<String> = settings.issuers.iter().map(|issuer| issuer.name.clone()).collect();
    let are_all = settings.issuers_written == Some(issuers.len());
    let cases = cases::compile(&policies, are_all.then_some(&*issuers), faults);
    refuse_no_issuer(settings, &routes, faults);
    let rules = settings.upstreams.iter().map(|upstream| upstream.rules.clone()).collect();
    let table = table::build(&catalog, ceilings, rules, routes, faults)?;
    let passed = run(&cases, &table, faults);
    Some((table, passed))
}

/// Compiles policy files alone and runs their tests: the table, how many passed, and those that did not.
fn compile_alone(files: &PolicyFiles, sources: &Sources, faults: &Faults) -> Option<(Arc<RouteTable>, usize, Faults)> {
    let (nodes, all_read) = files.parse(sources, faults);
    let policies: Vec<RawPolicy<'_>> = nodes.iter().map(|node| raw_policy::read(node, faults)).collect();
    let catalog = catalog::compile(&policies, all_read, faults);
    let ceilings = ceilings::compile(&policies, Switches::AsWritten, &catalog, faults);
    let mut named = Upstreams::Named(Vec::new());
    let routes = routes::compile(&policies, &catalog, &mut named, faults);
    let cases = cases::compile(&policies, None, faults);
    let rules = named.names().iter().map(|name| upstreams::supposed(name)).collect();
    let table = table::build(&catalog, ceilings, rules, routes, faults)?;
    let failed = Faults::default();
    let passed = run(&cases, &table, &failed);
    Some((table, passed, failed))
}

/// A policy may describe the authorization server's own scopes in its own words, and in words alone.
fn refuse_other_meanings(catalog: &PlacedCatalog, faults: &Faults) {
    for own in Catalogue::own() {
        let Some(id) = catalog.catalog.id(&own.name) else { continue };
        let uses = catalog.catalog.entry(id).uses;
        if catalog.catalog.side(id) == own.side && uses.token == own.token && uses.role == own.role {
            continue;
        }
        let message = format!("scope `{}` is the authorization server's own, of another side or use", own.name);
        let place = catalog.place(id);
        let fault = place.map_or_else(|| Fault::nowhere(message.clone()), |place| Fault::error(place, &message));
        faults.push(fault.hint("remove `side` and `uses`"));
    }
}

fn run(cases: &Cases<'_>, table: &RouteTable, failed: &Faults) -> usize {
    // The table of files with faults lacks routes: what its tests say would be about another policy.
    if failed.has_errors() { 0 } else { cases.run(table, failed) }
}

/// Without an issuer no token is ever believed, so only public methods could be reached.
fn refuse_no_issuer(settings: &GatewayFile, routes: &[PlacedRoute], faults: &Faults) {
    let asks = |placed: &PlacedRoute| placed.route.methods.iter().any(|(_, entry)| *entry != Entry::Public);
    if settings.issuers_written == Some(0)
        && let Some(placed) = routes.iter().find(|placed| asks(placed))
    {
        let what = if settings.issuers_are_there { "lists none" } else { "is missing" };
        let message = format!("`issuers` {what}, and not every method is public");
        let fault = Fault::error(settings.issuers_place, message);
        faults.push(fault.related(placed.path, "asks for a token"));
    }
}

/// The settings and the table together; `None` after a fault.
fn gateway(settings: GatewayFile, table: Arc<RouteTable>, tests_passed: usize) -> Option<Gateway> {
    Some(Gateway {
        listeners: settings.listeners,
        admin: settings.admin,
        workers: settings.workers,
        issuers: settings.issuers.into_iter().map(|issuer| issuer.settings).collect::<Option<_>>()?,
        role_directory: settings.role_directory,
        reveal_routes: settings.reveal_routes,
        upstreams: settings.upstreams.into_iter().map(|upstream| upstream.settings).collect::<Option<_>>()?,
        limits: settings.limits,
        realm: settings.realm,
        drain_timeout: settings.drain_timeout,
        handover_timeout: settings.handover_timeout,
        log: settings.log,
        traces: settings.traces,
        table,
        warnings: Vec::new(),
        tests_passed,
    })
}
