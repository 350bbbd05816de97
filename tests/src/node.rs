//! A running `artir node`, dcmtk's tools, and a target that behaves as it is told.

use std::{
    fs::{self, File},
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use crate::{artir, models, names};

/// A port that nobody listens on.
///
/// # Panics
/// When there is none.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap_or_else(|e| panic!("no free port: {e}"));
    listener.local_addr().unwrap_or_else(|e| panic!("its address: {e}")).port()
}

/// Waits until something is so.
///
/// # Panics
/// When it is not after half a minute.
pub fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(30);
    while !is_so() {
        assert!(Instant::now() < end, "not within half a minute: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A node with its folder, its ports and, while it runs, its process.
pub struct Node {
    /// Its configuration, models and log lie here, and `queue` in it.
    pub dir: PathBuf,
    /// Of associations.
    pub port: u16,
    /// Of status and metrics.
    pub http: u16,
    process: Option<Child>,
}

impl Node {
    /// Prepares a node. `more` is the rest of its configuration: targets and routes, and tables of other keys. `MODEL` in it is
    /// the path of a CT model that halves, `PET` of one for PET.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn new(dir: &Path, more: &str) -> Self {
        let node = Self { dir: dir.to_owned(), port: free_port(), http: free_port(), process: None };
        let write = |name: &str, bytes: &[u8]| {
            fs::write(dir.join(name), bytes).unwrap_or_else(|e| panic!("{name}: {e}"));
        };
        write("ct.onnx", &models::multiplies("ct-denoise", "HU", [-1024.0, 3071.0], 0.5));
        write("pet.onnx", &models::multiplies("pet-enhance", "SUV", [0.0, 100.0], 0.5));
        node.configure(more);
        node
    }

    /// Writes another configuration.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn configure(&self, more: &str) {
        let model = |name: &str| format!("'{}'", self.dir.join(name).display());
        let more = more.replace("MODEL", &model("ct.onnx")).replace("PET", &model("pet.onnx"));
        let tables = ["listen", "http", "disk", "retry", "restore"];
        let own = |table: &str| {
            let mut text = match table {
                "listen" => format!("address = '127.0.0.1:{}'\n", self.port),
                "http" => format!("address = '127.0.0.1:{}'\n", self.http),
                "disk" => "reserve_mib = 1\nwatermark_mib = 1\n".to_owned(),
                "retry" => "first_seconds = 0.05\nlongest_seconds = 0.2\n".to_owned(),
                _ => "threads = 1\n".to_owned(),
            };
            // `#listen KEY = VALUE` in the rest is a key of that table, and takes the place of this one's.
            for line in more.lines().filter_map(|line| line.strip_prefix(&format!("#{table} "))) {
                let key = line.split('=').next().unwrap_or_default().trim();
                text = text.lines().filter(|own| !own.starts_with(key)).map(|own| format!("{own}\n")).collect();
                text += &format!("{line}\n");
            }
            format!("[{table}]\n{text}")
        };
        let tables: String = tables.iter().map(|table| own(table)).collect();
        let text = format!("folder = 'queue'\n{tables}{more}");
        fs::write(self.config(), text).unwrap_or_else(|e| panic!("node.toml: {e}"));
    }

    /// Its configuration.
    pub fn config(&self) -> PathBuf {
        self.dir.join("node.toml")
    }

    /// Starts it, and waits until it takes associations.
    ///
    /// # Panics
    /// When it does not.
    pub fn start(&mut self) {
        self.start_with(&[]);
    }

    /// The same, with variables of the environment.
    ///
    /// # Panics
    /// When it does not.
    pub fn start_with(&mut self, environment: &[(&str, &str)]) {
        let log = File::options().create(true).append(true).open(self.dir.join("log"));
        let log = log.unwrap_or_else(|e| panic!("log: {e}"));
        let mut command = artir();
        command.arg("node").arg(self.config()).envs(environment.iter().copied());
        let child = command.stdin(Stdio::null()).stderr(log).spawn();
        self.process = Some(child.unwrap_or_else(|e| panic!("artir node: {e}")));
        until("the node is ready", || {
            assert!(self.exit_code().is_none(), "the node has ended: {}", self.log());
            self.get("/ready").starts_with("HTTP/1.1 200")
        });
    }

    /// The exit code, once it has ended.
    pub fn exit_code(&mut self) -> Option<Option<i32>> {
        self.process.as_mut()?.try_wait().ok()?.map(|status| status.code())
    }

    /// Sends it a signal, such as `TERM`.
    ///
    /// # Panics
    /// When it does not run.
    pub fn signal(&self, name: &str) {
        let process = self.process.as_ref().unwrap_or_else(|| panic!("it does not run"));
        let sent = Command::new("kill").arg(format!("-{name}")).arg(process.id().to_string()).status();
        assert!(sent.is_ok_and(|status| status.success()), "kill -{name}");
    }

    /// Kills it, as a power cut would.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            // It may have ended already.
            drop(process.kill());
            drop(process.wait());
        }
    }

    /// Ends it by SIGTERM and returns its exit code.
    ///
    /// # Panics
    /// When it does not end.
    pub fn stop(&mut self) -> Option<i32> {
        self.signal("TERM");
        let mut code = None;
        until("the node ends", || {
            code = self.exit_code();
            code.is_some()
        });
        self.process = None;
        code.flatten()
    }

    /// Its log.
    pub fn log(&self) -> String {
        fs::read_to_string(self.dir.join("log")).unwrap_or_default()
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.process.as_ref().map_or(0, Child::id)
    }

    /// An answer over HTTP, head and body; empty when there is none.
    pub fn get(&self, path: &str) -> String {
        let mut out = Vec::new();
        if let Ok(mut socket) = TcpStream::connect(("127.0.0.1", self.http)) {
            let sent = write!(socket, "GET {path} HTTP/1.1\r\nHost: node\r\n\r\n");
            drop(sent.and_then(|()| socket.read_to_end(&mut out)));
        }
        String::from_utf8_lossy(&out).into_owned()
    }

    /// The value of a metric with its labels; 0 when it is not there.
    pub fn metric(&self, name: &str) -> f64 {
        let text = self.get("/metrics");
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok());
        value.unwrap_or(0.0)
    }

    /// The folders of a route's series in a state.
    pub fn series(&self, route: &str, state: &str) -> Vec<PathBuf> {
        let folder = self.dir.join("queue").join(route).join(state);
        if !folder.exists() {
            return Vec::new();
        }
        names(&folder).into_iter().filter(|name| !name.starts_with('.')).map(|name| folder.join(name)).collect()
    }

    /// Whether a route has nothing left to do: every series is sent, or has failed.
    pub fn is_idle(&self, route: &str) -> bool {
        let ended = |series: PathBuf| {
            let record = fs::read(series.join("record.json")).ok();
            let record: Option<serde_json::Value> = record.and_then(|bytes| serde_json::from_slice(&bytes).ok());
            record.is_some_and(|record| record["ended"].is_number())
        };
        ["in", "work"].iter().all(|state| self.series(route, state).is_empty())
            && self.series(route, "out").into_iter().all(ended)
    }

    /// The reasons of a route's failed series.
    ///
    /// # Panics
    /// When one has no record.
    pub fn failures(&self, route: &str) -> Vec<String> {
        let reason = |series: PathBuf| {
            let record = fs::read(series.join("record.json")).unwrap_or_else(|e| panic!("{}: {e}", series.display()));
            let record: serde_json::Value = serde_json::from_slice(&record).unwrap_or_else(|e| panic!("{e}"));
            record["reason"].as_str().unwrap_or_default().to_owned()
        };
        self.series(route, "failed").into_iter().map(reason).collect()
    }

    /// Sends files by dcmtk's storescu, each in its own transfer syntax.
    ///
    /// # Panics
    /// When storescu cannot be started.
    pub fn send(&self, called: &str, more: &[&str], files: &[PathBuf]) -> Output {
        let out = Command::new("storescu")
            .args(["-R", "-aec", called])
            .args(more)
            .args(["127.0.0.1", &self.port.to_string()])
            .args(files)
            .env("DCMDICTPATH", "/usr/share/libdcmtk17/dicom.dic")
            .output();
        out.unwrap_or_else(|e| panic!("storescu (dcmtk): {e}"))
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            println!("{}", self.log());
        }
    }
}

/// The files below a folder, in order.
///
/// # Panics
/// When it cannot be listed.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    names(folder).into_iter().map(|name| folder.join(name)).filter(|path| path.is_file()).collect()
}
