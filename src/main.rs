fn main() -> std::process::ExitCode {
    swath::cli::main()
}
