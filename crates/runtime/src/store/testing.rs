//! Databases for tests: each test gets one of its own, a copy of a migrated template.
//!
//! `KASSA_TEST_BACKEND=servers` chooses PostgreSQL at `KASSA_TEST_DATABASE_URL` (a database and role
//! that may create databases); anything else chooses SQLite files in a temporary folder. A server that was
//! asked for and is not there fails the test.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection};
use tempfile::TempDir;
use tokio::sync::OnceCell;
use url::Url;
use uuid::Uuid;

use super::Store;

/// Connections of one test's store.
const CONNECTIONS_MAX: u32 = 8;
/// Connections of a store that one task at a time uses. A second one would make the first forget its
/// pages at every write.
const CONNECTIONS_FAST: u32 = 1;
/// Statements that such a connection keeps prepared: all that there are.
const STATEMENTS_FAST: usize = 1_000;
/// Memory for its pages, in SQLite's way to say KiB: all of them stay.
const CACHE_FAST: &str = "-65536";
/// Serialises the making of the template among test processes.
const TEMPLATE_LOCK: i64 = 0x6b61_7373_6100;

static SQLITE_TEMPLATE: OnceCell<(TempDir, PathBuf)> = OnceCell::const_new();
static POSTGRES_TEMPLATE: OnceCell<String> = OnceCell::const_new();

/// Which database tests run on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TestBackend {
    /// A file per test.
    Sqlite,
    /// A database per test on the server with this URL.
    Postgres(String),
}

impl TestBackend {
    /// What the environment chooses.
    ///
    /// # Panics
    /// If servers are asked for without `KASSA_TEST_DATABASE_URL`.
    #[expect(
        clippy::disallowed_methods,
        reason = "tests choose their backend by environment"
    )]
    pub fn from_env() -> Self {
        match std::env::var("KASSA_TEST_BACKEND").as_deref() {
            Ok("servers") => Self::Postgres(
                std::env::var("KASSA_TEST_DATABASE_URL")
                    .expect("KASSA_TEST_BACKEND=servers needs KASSA_TEST_DATABASE_URL"),
            ),
            _ => Self::Sqlite,
        }
    }
}

/// A database of a test's own; it is removed when this is dropped.
#[derive(Debug)]
pub struct TestDatabase {
    /// The store on it.
    pub store: Store,
    url: String,
    place: Place,
}

#[derive(Debug)]
enum Place {
    Folder { _folder: TempDir },
    Server { admin_url: String, name: String },
}

impl TestDatabase {
    /// A migrated database on the backend that the environment chooses.
    ///
    /// # Panics
    /// If it cannot be made.
    pub async fn create() -> Self {
        Self::create_on(&TestBackend::from_env()).await
    }

    /// A migrated database on this backend.
    ///
    /// # Panics
    /// If it cannot be made.
    pub async fn create_on(backend: &TestBackend) -> Self {
        match backend {
            TestBackend::Sqlite => {
                let (_, template) = SQLITE_TEMPLATE.get_or_init(make_sqlite_template).await;
                let folder = tempfile::tempdir().expect("a temporary folder");
                let file = folder.path().join("kassa.db");
                std::fs::copy(template, &file).expect("a copy of the template");
                Self::open_sqlite(folder, &file).await
            }
            TestBackend::Postgres(admin_url) => {
                let template = POSTGRES_TEMPLATE
                    .get_or_init(|| make_postgres_template(admin_url))
                    .await;
                Self::create_postgres(admin_url, &format!("TEMPLATE {template}")).await
            }
        }
    }

    /// A migrated SQLite database in `folder` that does not wait for the disk: what it holds outlives
    /// the tasks of a simulation and not the machine.
    ///
    /// # Panics
    /// If it cannot be made.
    pub async fn create_fast(folder: &Path) -> Self {
        let (_, template) = SQLITE_TEMPLATE.get_or_init(make_sqlite_template).await;
        let folder = tempfile::tempdir_in(folder).expect("a temporary folder");
        let file = folder.path().join("kassa.db");
        std::fs::copy(template, &file).expect("a copy of the template");
        let url = sqlite_url(&file);
        let mut options = ConnectOptions::new(&url);
        options
            .max_connections(CONNECTIONS_FAST)
            .sqlx_logging(false)
            .test_before_acquire(false)
            .map_sqlx_sqlite_opts(|sqlite| {
                sqlite
                    .foreign_keys(true)
                    .statement_cache_capacity(STATEMENTS_FAST)
                    .pragma("locking_mode", "EXCLUSIVE")
                    .pragma("journal_mode", "MEMORY")
                    .pragma("synchronous", "OFF")
                    .pragma("cache_size", CACHE_FAST)
            });
        let connection = Database::connect(options).await;
        let store = Store::from_connection(connection.expect("the database file opens"));
        Self {
            store,
            url,
            place: Place::Folder { _folder: folder },
        }
    }

    /// An empty database, without any table, on the backend that the environment chooses.
    ///
    /// # Panics
    /// If it cannot be made.
    pub async fn create_empty() -> Self {
        match TestBackend::from_env() {
            TestBackend::Sqlite => {
                let folder = tempfile::tempdir().expect("a temporary folder");
                let file = folder.path().join("kassa.db");
                Self::open_sqlite(folder, &file).await
            }
            TestBackend::Postgres(admin_url) => Self::create_postgres(&admin_url, "").await,
        }
    }

    /// Its URL, for whatever opens it by itself.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Another store on the same database, as another process would have.
    ///
    /// # Panics
    /// If it cannot be opened.
    pub async fn reopen(&self) -> Store {
        Store::connect(&self.url, CONNECTIONS_MAX)
            .await
            .expect("a second connection")
    }

    /// Runs SQL behind the store's back; returns the error text if the database refuses it.
    pub async fn execute(&self, sql: &str) -> Result<u64, String> {
        let result = self.store.db().execute_unprepared(sql).await;
        result
            .map(|done| done.rows_affected())
            .map_err(|error| error.to_string())
    }

    async fn open_sqlite(folder: TempDir, file: &Path) -> Self {
        let url = sqlite_url(file);
        let store = Store::connect(&url, CONNECTIONS_MAX)
            .await
            .expect("the database file opens");
        Self {
            store,
            url,
            place: Place::Folder { _folder: folder },
        }
    }

    async fn create_postgres(admin_url: &str, options: &str) -> Self {
        let name = format!("kassa_test_{}", Uuid::new_v4().simple());
        let admin = connect_admin(admin_url).await;
        admin
            .execute_unprepared(&format!("CREATE DATABASE {name} {options}"))
            .await
            .expect("a database of the test's own");
        admin.close().await.expect("the admin connection closes");
        let url = with_database(admin_url, &name);
        let store = Store::connect(&url, CONNECTIONS_MAX)
            .await
            .expect("the database opens");
        Self {
            store,
            url,
            place: Place::Server {
                admin_url: admin_url.to_owned(),
                name,
            },
        }
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        if let Place::Server { admin_url, name } = &self.place {
            drop_database(admin_url.clone(), name.clone());
        }
    }
}

/// Drops a test's database from a thread of its own, as `drop` may run inside a runtime.
fn drop_database(admin_url: String, name: String) {
    let work = move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let Ok(runtime) = runtime else { return };
        runtime.block_on(async {
            let admin = connect_admin(&admin_url).await;
            let dropped = admin
                .execute_unprepared(&format!("DROP DATABASE {name} WITH (FORCE)"))
                .await;
            if let Err(error) = dropped {
                tracing::warn!(%error, database = name, "a test database was left behind");
            }
        });
    };
    if std::thread::spawn(work).join().is_err() {
        tracing::warn!("a test database was left behind");
    }
}

async fn make_sqlite_template() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("template.db");
    let store = Store::connect(&sqlite_url(&file), 1)
        .await
        .expect("the template opens");
    migrations::up(store.migration_connection())
        .await
        .expect("the migrations apply");
    // Closing the last connection moves the write-ahead log into the file that is copied.
    store
        .db()
        .clone()
        .close()
        .await
        .expect("the template closes");
    (folder, file)
}

/// One template per build of the test program, so that an edited migration is never missed.
async fn make_postgres_template(admin_url: &str) -> String {
    let name = format!("kassa_template_{:016x}", program_fingerprint());
    let admin = connect_admin(admin_url).await;
    let run = |sql: String| {
        let admin = &admin;
        async move {
            admin
                .execute_unprepared(&sql)
                .await
                .expect("the template is made")
        }
    };
    run(format!("SELECT pg_advisory_lock({TEMPLATE_LOCK})")).await;
    let exists = admin
        .query_one_raw(sea_orm::Statement::from_string(
            sea_orm::DbBackend::Postgres,
            format!("SELECT 1 AS one FROM pg_database WHERE datname = '{name}'"),
        ))
        .await
        .expect("the list of databases");
    if exists.is_none() {
        let draft = format!("{name}_draft");
        run(format!("DROP DATABASE IF EXISTS {draft} WITH (FORCE)")).await;
        run(format!("CREATE DATABASE {draft}")).await;
        let store = Store::connect(&with_database(admin_url, &draft), 1)
            .await
            .expect("the template opens");
        migrations::up(store.migration_connection())
            .await
            .expect("the migrations apply");
        store
            .db()
            .clone()
            .close()
            .await
            .expect("the template closes");
        run(format!("ALTER DATABASE {draft} RENAME TO {name}")).await;
    }
    run(format!("SELECT pg_advisory_unlock({TEMPLATE_LOCK})")).await;
    admin.close().await.expect("the admin connection closes");
    name
}

fn program_fingerprint() -> u64 {
    let program = std::env::current_exe().expect("the program's path");
    // Linux knows the running program's file even when a build has put another one in its place.
    let file = std::fs::metadata("/proc/self/exe").or_else(|_absent| std::fs::metadata(&program));
    let built = file.and_then(|file| file.modified());
    let mut hasher = DefaultHasher::new();
    program.hash(&mut hasher);
    built.expect("the program's age").hash(&mut hasher);
    hasher.finish()
}

async fn connect_admin(url: &str) -> DatabaseConnection {
    let mut options = ConnectOptions::new(url);
    options.max_connections(1).sqlx_logging(false);
    Database::connect(options)
        .await
        .expect("the test database server answers")
}

fn sqlite_url(file: &Path) -> String {
    format!("sqlite://{}?mode=rwc", file.display())
}

fn with_database(admin_url: &str, name: &str) -> String {
    let mut url = Url::parse(admin_url).expect("KASSA_TEST_DATABASE_URL is a URL");
    url.set_path(name);
    url.into()
}
