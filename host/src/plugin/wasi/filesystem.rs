//! Files: those in granted directories, and for all others a refusal that names them.

use std::sync::{Arc, OnceLock};

use wasmtime::component::Resource;
use wasmtime_wasi::FsPerms;
use wasmtime_wasi::filesystem::{Descriptor, Dir, OpenMode, WasiFilesystemView};
use wasmtime_wasi::p2::bindings::filesystem::preopens;
use wasmtime_wasi::p2::bindings::filesystem::types::{
    self, Advice, DescriptorFlags, DescriptorStat, DescriptorType, DirectoryEntry,
    DirectoryEntryStream, ErrorCode, Filesize, HostDescriptor, HostDirectoryEntryStream,
    MetadataHashValue, NewTimestamp, OpenFlags, PathFlags,
};
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream, FsError, FsResult};

use super::begin;
use crate::plugin::state::State;
use crate::policy::PermissionPlace;

type Fd = Resource<Descriptor>;

/// What a guest finds at `/` if no directory is granted, so that it can say what it
/// looks for there. It is no directory: nothing can be opened through it.
fn nothing() -> Option<&'static Dir> {
    static NOTHING: OnceLock<Option<Dir>> = OnceLock::new();
    let open = || {
        let file = std::fs::File::open("/dev/null").ok()?;
        Some(Dir::new(file, FsPerms::ReadOnly, OpenMode::READ, false))
    };
    NOTHING.get_or_init(open).as_ref()
}

impl State {
    /// Whether there is anything behind this descriptor.
    fn is_nothing(&mut self, fd: &Fd) -> bool {
        let Some(nothing) = nothing() else { return false };
        match self.filesystem().table.get(fd) {
            Ok(Descriptor::Dir(dir)) => Arc::ptr_eq(&dir.dir, &nothing.dir),
            _ => false,
        }
    }

    /// For something that finds what is there.
    fn before_look(&mut self, fd: &Fd, what: &str, path: &str) -> FsResult<()> {
        self.admit_path(fd, what, path, ErrorCode::NoEntry)
    }

    /// For something that changes what is there.
    fn before_change(&mut self, fd: &Fd, what: &str, path: &str) -> FsResult<()> {
        self.admit_path(fd, what, path, ErrorCode::NotPermitted)
    }

    fn admit_path(&mut self, fd: &Fd, what: &str, path: &str, error: ErrorCode) -> FsResult<()> {
        if self.refuses_path(fd, what, path) { Err(error.into()) } else { Ok(()) }
    }

    /// Whether there is nothing behind this descriptor; then the operator learns what
    /// was tried.
    pub(super) fn refuses_path(&mut self, fd: &Fd, what: &str, path: &str) -> bool {
        if !self.is_nothing(fd) {
            return false;
        }
        let place = match &self.settings().permission_place {
            PermissionPlace::Manifest { plugin } => format!("`directories` of [plugin.{plugin}]"),
            _ => "--dir or --dir-writable".to_owned(),
        };
        let path = begin(path);
        self.refuse_wasi(format!(
            "{what} {path:?}: no directory is granted; {place} would grant one"
        ));
        true
    }

    /// What is refused inside a granted directory: leaving it, and changing what may
    /// only be read.
    fn note_refusal<T>(&self, what: &str, path: &str, result: FsResult<T>) -> FsResult<T> {
        let error = result.as_ref().err().and_then(FsError::downcast_ref);
        if matches!(error, Some(ErrorCode::NotPermitted | ErrorCode::Access | ErrorCode::ReadOnly))
        {
            self.note_outside(what, path);
        }
        result
    }

    /// The operating system, or its confines, refused a path.
    pub(super) fn note_outside(&self, what: &str, path: &str) {
        let path = begin(path);
        self.refuse_wasi(format!("{what} {path:?}: outside of what is granted"));
    }
}

impl preopens::Host for State {
    fn get_directories(&mut self) -> wasmtime::Result<Vec<(Fd, String)>> {
        if let (true, Some(nothing)) = (self.settings().directories.is_empty(), nothing()) {
            let root = self.filesystem().table.push(Descriptor::Dir(nothing.clone()))?;
            return Ok(vec![(root, "/".to_owned())]);
        }
        preopens::Host::get_directories(&mut self.filesystem())
    }
}

impl types::Host for State {
    fn convert_error_code(&mut self, error: FsError) -> wasmtime::Result<ErrorCode> {
        types::Host::convert_error_code(&mut self.filesystem(), error)
    }

    fn filesystem_error_code(
        &mut self,
        error: Resource<wasmtime::Error>,
    ) -> wasmtime::Result<Option<ErrorCode>> {
        types::Host::filesystem_error_code(&mut self.filesystem(), error)
    }
}

impl HostDirectoryEntryStream for State {
    async fn read_directory_entry(
        &mut self,
        stream: Resource<DirectoryEntryStream>,
    ) -> FsResult<Option<DirectoryEntry>> {
        self.filesystem().read_directory_entry(stream).await
    }

    fn drop(&mut self, stream: Resource<DirectoryEntryStream>) -> wasmtime::Result<()> {
        HostDirectoryEntryStream::drop(&mut self.filesystem(), stream)
    }
}

impl HostDescriptor for State {
    async fn open_at(
        &mut self,
        fd: Fd,
        path_flags: PathFlags,
        path: String,
        open_flags: OpenFlags,
        flags: DescriptorFlags,
    ) -> FsResult<Fd> {
        self.before_look(&fd, "opening", &path)?;
        let shown = path.clone();
        let opened = self.filesystem().open_at(fd, path_flags, path, open_flags, flags).await;
        self.note_refusal("opening", &shown, opened)
    }

    async fn stat_at(
        &mut self,
        fd: Fd,
        path_flags: PathFlags,
        path: String,
    ) -> FsResult<DescriptorStat> {
        self.before_look(&fd, "looking at", &path)?;
        let shown = path.clone();
        let stat = self.filesystem().stat_at(fd, path_flags, path).await;
        self.note_refusal("looking at", &shown, stat)
    }

    async fn metadata_hash_at(
        &mut self,
        fd: Fd,
        path_flags: PathFlags,
        path: String,
    ) -> FsResult<MetadataHashValue> {
        self.before_look(&fd, "looking at", &path)?;
        let shown = path.clone();
        let hash = self.filesystem().metadata_hash_at(fd, path_flags, path).await;
        self.note_refusal("looking at", &shown, hash)
    }

    async fn readlink_at(&mut self, fd: Fd, path: String) -> FsResult<String> {
        self.before_look(&fd, "reading the link", &path)?;
        let shown = path.clone();
        let link = self.filesystem().readlink_at(fd, path).await;
        self.note_refusal("reading the link", &shown, link)
    }

    async fn read_directory(&mut self, fd: Fd) -> FsResult<Resource<DirectoryEntryStream>> {
        self.before_look(&fd, "listing", "/")?;
        self.filesystem().read_directory(fd).await
    }

    async fn create_directory_at(&mut self, fd: Fd, path: String) -> FsResult<()> {
        self.before_change(&fd, "making the directory", &path)?;
        let shown = path.clone();
        let done = self.filesystem().create_directory_at(fd, path).await;
        self.note_refusal("making the directory", &shown, done)
    }

    async fn set_times_at(
        &mut self,
        fd: Fd,
        path_flags: PathFlags,
        path: String,
        access: NewTimestamp,
        modification: NewTimestamp,
    ) -> FsResult<()> {
        self.before_change(&fd, "setting the times of", &path)?;
        let shown = path.clone();
        let mut files = self.filesystem();
        let done = files.set_times_at(fd, path_flags, path, access, modification).await;
        self.note_refusal("setting the times of", &shown, done)
    }

    async fn link_at(
        &mut self,
        fd: Fd,
        path_flags: PathFlags,
        path: String,
        new_fd: Fd,
        new_path: String,
    ) -> FsResult<()> {
        self.before_change(&fd, "linking", &path)?;
        self.before_change(&new_fd, "linking", &new_path)?;
        let shown = new_path.clone();
        let done = self.filesystem().link_at(fd, path_flags, path, new_fd, new_path).await;
        self.note_refusal("linking", &shown, done)
    }

    async fn symlink_at(&mut self, fd: Fd, target: String, path: String) -> FsResult<()> {
        self.before_change(&fd, "linking", &path)?;
        let shown = path.clone();
        let done = self.filesystem().symlink_at(fd, target, path).await;
        self.note_refusal("linking", &shown, done)
    }

    async fn rename_at(
        &mut self,
        fd: Fd,
        path: String,
        new_fd: Fd,
        new_path: String,
    ) -> FsResult<()> {
        self.before_change(&fd, "renaming", &path)?;
        self.before_change(&new_fd, "renaming to", &new_path)?;
        let shown = path.clone();
        let done = self.filesystem().rename_at(fd, path, new_fd, new_path).await;
        self.note_refusal("renaming", &shown, done)
    }

    async fn remove_directory_at(&mut self, fd: Fd, path: String) -> FsResult<()> {
        self.before_change(&fd, "removing", &path)?;
        let shown = path.clone();
        let done = self.filesystem().remove_directory_at(fd, path).await;
        self.note_refusal("removing", &shown, done)
    }

    async fn unlink_file_at(&mut self, fd: Fd, path: String) -> FsResult<()> {
        self.before_change(&fd, "removing", &path)?;
        let shown = path.clone();
        let done = self.filesystem().unlink_file_at(fd, path).await;
        self.note_refusal("removing", &shown, done)
    }

    // What follows has a descriptor, and so was granted.

    async fn advise(
        &mut self,
        fd: Fd,
        offset: Filesize,
        len: Filesize,
        advice: Advice,
    ) -> FsResult<()> {
        self.filesystem().advise(fd, offset, len, advice).await
    }

    async fn sync_data(&mut self, fd: Fd) -> FsResult<()> {
        self.filesystem().sync_data(fd).await
    }

    async fn get_flags(&mut self, fd: Fd) -> FsResult<DescriptorFlags> {
        self.filesystem().get_flags(fd).await
    }

    async fn get_type(&mut self, fd: Fd) -> FsResult<DescriptorType> {
        self.filesystem().get_type(fd).await
    }

    async fn set_size(&mut self, fd: Fd, size: Filesize) -> FsResult<()> {
        self.filesystem().set_size(fd, size).await
    }

    async fn set_times(
        &mut self,
        fd: Fd,
        access: NewTimestamp,
        modification: NewTimestamp,
    ) -> FsResult<()> {
        self.filesystem().set_times(fd, access, modification).await
    }

    async fn read(&mut self, fd: Fd, len: Filesize, offset: Filesize) -> FsResult<(Vec<u8>, bool)> {
        self.filesystem().read(fd, len, offset).await
    }

    async fn write(&mut self, fd: Fd, bytes: Vec<u8>, offset: Filesize) -> FsResult<Filesize> {
        self.filesystem().write(fd, bytes, offset).await
    }

    async fn sync(&mut self, fd: Fd) -> FsResult<()> {
        self.filesystem().sync(fd).await
    }

    async fn stat(&mut self, fd: Fd) -> FsResult<DescriptorStat> {
        self.filesystem().stat(fd).await
    }

    fn read_via_stream(&mut self, fd: Fd, offset: Filesize) -> FsResult<Resource<DynInputStream>> {
        self.filesystem().read_via_stream(fd, offset)
    }

    fn write_via_stream(
        &mut self,
        fd: Fd,
        offset: Filesize,
    ) -> FsResult<Resource<DynOutputStream>> {
        self.filesystem().write_via_stream(fd, offset)
    }

    fn append_via_stream(&mut self, fd: Fd) -> FsResult<Resource<DynOutputStream>> {
        self.filesystem().append_via_stream(fd)
    }

    async fn is_same_object(&mut self, one: Fd, other: Fd) -> wasmtime::Result<bool> {
        self.filesystem().is_same_object(one, other).await
    }

    async fn metadata_hash(&mut self, fd: Fd) -> FsResult<MetadataHashValue> {
        self.filesystem().metadata_hash(fd).await
    }

    fn drop(&mut self, fd: Fd) -> wasmtime::Result<()> {
        HostDescriptor::drop(&mut self.filesystem(), fd)
    }
}
