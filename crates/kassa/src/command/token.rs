//! `kassa token`.

use kassa_core::Clock;
use kassa_core::text::AppId;
use serde_json::json;

use crate::cli::{Global, Token, TokenCommand, TokenKeygen};
use crate::data_dir;
use crate::exit::{BadInput, Outcome};
use crate::output::Output;
use crate::settings::{self, LocalKey, Logs};
use crate::token::{self, AppSigningKey, KeyError, TokenRequest};

/// Mints a token, or makes a key.
///
/// # Errors
/// [`BadInput`], or what the key file says.
pub fn run(global: &Global, args: &Token, output: Output) -> anyhow::Result<Outcome> {
    match &args.command {
        Some(TokenCommand::Keygen(args)) => keygen(global, args, output),
        None => mint(global, args, output),
    }
}

fn app_id(text: &str) -> Result<AppId, BadInput> {
    AppId::try_new(text).map_err(|error| BadInput::one("--app", error))
}

fn mint(global: &Global, args: &Token, output: Output) -> anyhow::Result<Outcome> {
    let app = app_id(args.app.as_deref().unwrap_or_default())?;
    let config = settings::load(global, Logs::Quiet, LocalKey::Use)?;
    let longest = config.auth.token_ttl_max();
    if args.ttl.0 > longest {
        let problem = format!("at most {} s (auth.token_ttl_max_secs)", longest.as_secs());
        return Err(BadInput::one("--ttl", problem).into());
    }
    let file = data_dir::app_key_file(&config.data_dir, &app);
    let key = match AppSigningKey::load(&file) {
        Err(KeyError::File { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
            anyhow::bail!(
                "there is no key of app {app} at {}; `kassa up` makes the demo app's at its first \
                 start, `kassa token keygen --app {app}` makes one for another app",
                file.display()
            );
        }
        loaded => loaded?,
    };
    let scopes = if args.scopes.is_empty() {
        token::all_scopes()
    } else {
        args.scopes.iter().copied().collect()
    };
    let request = TokenRequest {
        app: app.clone(),
        audience: config.auth.audience.clone(),
        scopes,
        ttl: args.ttl.0,
    };
    let token = token::mint(&key, &request, Clock::system().now())?;
    let scopes: Vec<_> = request.scopes.iter().map(|scope| scope.as_str()).collect();
    output.object(&json!({
        "token": token.expose(),
        "app_id": app,
        "kid": key.kid(),
        "scopes": scopes,
        "expires_in_seconds": request.ttl.as_secs(),
    }))?;
    output.line(token.expose())?;
    Ok(Outcome::Done)
}

fn keygen(global: &Global, args: &TokenKeygen, output: Output) -> anyhow::Result<Outcome> {
    let app = app_id(&args.app)?;
    let file = if let Some(file) = &args.out {
        file.clone()
    } else {
        let config = settings::load(global, Logs::Quiet, LocalKey::Use)?;
        data_dir::prepare(&config.data_dir)?;
        data_dir::app_key_file(&config.data_dir, &app)
    };
    let key = AppSigningKey::generate()?;
    match key.save(&file) {
        Err(KeyError::File { source, .. })
            if source.kind() == std::io::ErrorKind::AlreadyExists =>
        {
            anyhow::bail!("there is a key at {}; move it away first", file.display());
        }
        saved => saved?,
    }
    let public = key.public();
    output.object(&json!({
        "app_id": app,
        "kid": public.kid,
        "algorithm": public.algorithm,
        "public_key_pem": public.public_key_pem,
        "private_key_file": file.display().to_string(),
    }))?;
    output.line(format_args!("# the private key is at {}", file.display()))?;
    output.line("# the public key, for the app's entry in apps.toml:")?;
    output.line("[[app.keys]]")?;
    output.line(format_args!("kid = \"{}\"", public.kid))?;
    output.line(format_args!("algorithm = \"{}\"", public.algorithm))?;
    output.line(format_args!(
        "public_key = \"\"\"\n{}\"\"\"",
        public.public_key_pem
    ))?;
    Ok(Outcome::Done)
}
