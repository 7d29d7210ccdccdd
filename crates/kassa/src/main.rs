//! The `kassa` binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    kassa::cli::main()
}
