//! Run execution-spec state tests: `statetest PATH [--fork NAME]…`.
//!
//! PATH is a JSON file or a directory of them; without --fork all of cancun, prague and osaka run. Prints the failing cases
//! and `N passed, N failed`; exits with 1 when a case failed or a file did not parse.

use rayon::prelude::*;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use zg_evm::statetest::{CaseResult, run_state_test};

const USAGE: &str = "usage: statetest PATH [--fork NAME]...";

fn main() -> ExitCode {
    let mut path = None;
    let mut forks = Vec::new();
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match (arg.as_str(), path.is_some()) {
            ("--fork", _) => forks.extend(args.next()),
            (_, false) => path = Some(PathBuf::from(arg)),
            _ => path = None,
        }
    }
    let Some(path) = path else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    if forks.is_empty() {
        forks = ["cancun", "prague", "osaka"].map(String::from).into();
    }
    let mut files = Vec::new();
    if let Err(error) = collect(&path, &mut files) {
        eprintln!("{}: {error}", path.display());
        return ExitCode::from(2);
    }
    let results: Vec<Result<CaseResult, String>> = files.par_iter().flat_map_iter(|file| run(file, &forks)).collect();
    let mut failed = 0;
    for result in &results {
        let line = match result {
            Ok(case) if case.pass => continue,
            Ok(case) => format!("{}[{}]: {}", case.name, case.index, case.error.as_deref().unwrap_or_default()),
            Err(error) => error.clone(),
        };
        failed += 1;
        println!("FAIL {line}");
    }
    println!("{} passed, {failed} failed", results.len() - failed);
    ExitCode::from(u8::from(failed > 0))
}

fn collect(path: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    if path.is_file() {
        files.push(path.into());
        return Ok(());
    }
    for entry in std::fs::read_dir(path)? {
        let path = entry?.path();
        if path.is_dir() || path.extension().is_some_and(|extension| extension == "json") {
            collect(&path, files)?;
        }
    }
    Ok(())
}

/// The results of one file, or why it could not be read.
fn run(file: &Path, forks: &[String]) -> Vec<Result<CaseResult, String>> {
    let named = |error: String| format!("{}: {error}", file.display());
    let json = match std::fs::read_to_string(file) {
        Ok(json) => json,
        Err(error) => return vec![Err(named(error.to_string()))],
    };
    let one = |fork: &String| match run_state_test(&json, fork) {
        Ok(cases) => cases.into_iter().map(Ok).collect(),
        Err(error) => vec![Err(named(error.to_string()))],
    };
    forks.iter().flat_map(one).collect()
}
