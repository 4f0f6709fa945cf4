//! From the process's arguments to its exit status.

use std::ffi::OsString;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use clap::Parser;

use super::arguments::{Arguments, Command, TokenCommand};
use super::fault::{Answer, Fault};
use super::{
    authorization_server, check, completions, demo, doctor, explain, mint, output, probe, routes, schema, serve,
};

/// Runs the command that `arguments` name (the first is the program) and returns its exit status.
///
/// 0: well. 1: the answer is "no". 2: the call or a file is at fault. 70: a defect of ours.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => return usage(&error),
    };
    match catch_unwind(AssertUnwindSafe(|| dispatch(arguments.command))) {
        Ok(Ok(Answer::Yes)) => ExitCode::SUCCESS,
        Ok(Ok(Answer::No)) => ExitCode::from(1),
        Ok(Err(fault)) => {
            output::report(&fault.render());
            fault.exit_status()
        }
        Err(_) => ExitCode::from(70),
    }
}

fn dispatch(command: Command) -> Result<Answer, Fault> {
    match command {
        Command::Demo(arguments) => demo::run(&arguments),
        Command::Serve(arguments) => serve::run(&arguments),
        Command::AuthorizationServer(arguments) => authorization_server::run(&arguments),
        Command::Check(arguments) => check::run(&arguments),
        Command::Doctor(arguments) => doctor::run(&arguments),
        Command::Probe(arguments) => probe::run(&arguments),
        Command::Explain(arguments) => explain::run(&arguments),
        Command::Routes(arguments) => routes::run(&arguments),
        Command::Token { command: TokenCommand::Mint(arguments) } => mint::run(&arguments),
        Command::Schema(arguments) => schema::run(&arguments),
        Command::Completions(arguments) => completions::run(&arguments),
    }
}

/// Prints what clap has to say: help and version are answers, anything else is a fault of the call.
fn usage(error: &clap::Error) -> ExitCode {
    let text = error.render().ansi().to_string();
    if error.use_stderr() {
        output::report(&text);
        return ExitCode::from(2);
    }
    match output::print(&text) {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => fault.exit_status(),
    }
}
