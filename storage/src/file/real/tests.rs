use std::io::ErrorKind;

use super::*;

#[test]
fn a_file_is_written_read_renamed_and_linked() {
    let folder = tempfile::tempdir().unwrap();
    let disk = RealDisk;
    let deep = folder.path().join("a/b");
    disk.create_dir_all(&deep).unwrap();
    disk.create_dir_all(&deep).unwrap();

    let (one, two, three) = (deep.join("one"), deep.join("two"), deep.join("three"));
    let file = disk.open(&one, OpenHow::CreateNew).unwrap();
    file.write_at(b"hello", 3).unwrap();
    file.sync_data().unwrap();
    assert_eq!(file.len().unwrap(), 8);
    let mut bytes = [1; 8];
    file.read_at(&mut bytes, 0).unwrap();
    assert_eq!(&bytes, b"\0\0\0hello");
    assert_eq!(file.read_at(&mut bytes, 1).unwrap_err().kind(), ErrorKind::UnexpectedEof);

    let taken = disk.open(&one, OpenHow::CreateNew).unwrap_err();
    assert_eq!(taken.kind(), ErrorKind::AlreadyExists);
    disk.rename(&one, &two).unwrap();
    disk.hard_link(&two, &three).unwrap();
    assert_eq!(disk.hard_link(&two, &three).unwrap_err().kind(), ErrorKind::AlreadyExists);
    disk.sync_dir(&deep).unwrap();
    let names: Vec<_> = disk.list(&deep).unwrap().into_iter().map(|e| (e.path, e.bytes)).collect();
    assert_eq!(names, vec![(three.clone(), 8), (two.clone(), 8)]);
    disk.remove(&two).unwrap();
    disk.remove(&three).unwrap();
    assert!(disk.list(&deep).unwrap().is_empty());
    assert!(disk.list(&folder.path().join("absent")).unwrap().is_empty());
    assert!(disk.space(&deep).unwrap().total > 0);
}

/// FEN-1, in its smallest form: a folder has one owner.
#[test]
fn fen_1_a_folder_is_locked_once() {
    let folder = tempfile::tempdir().unwrap();
    let guard = RealDisk.lock(folder.path()).unwrap();
    assert_eq!(RealDisk.lock(folder.path()).err().unwrap().kind(), ErrorKind::WouldBlock);
    drop(guard);
    assert!(RealDisk.lock(folder.path()).is_ok());
}
