//! Rule files: text in, groups of rules or problems with their places out. Pure.
