//! The `scopegate` command.

fn main() -> std::process::ExitCode {
    scopegate::cli::run(std::env::args_os())
}
