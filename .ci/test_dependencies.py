#!/usr/bin/env python3
"""Each rule of dependencies.py is broken once, on a tree that is made up: a policy that cannot fail is worth nothing."""
import copy
import pathlib
import tempfile
import tomllib
import unittest
import zlib

import crates
import dependencies

REGISTRY = "registry+https://github.com/rust-lang/crates.io-index"
POLICY = """
[graph]
all-features = true
[licenses]
include-dev = true
allow = ["MIT", "Zlib"]
unused-allowed-license = "deny"
unused-license-exception = "deny"
exceptions = [{ crate = "odd", allow = ["CC0-1.0"] }]
[bans]
multiple-versions = "deny"
multiple-versions-include-dev = true
wildcards = "deny"
deny = [{ crate = "ring", reason = "one crypto library" }, { crate = "h2:<0.4.16", reason = "an advisory" }]
skip = [{ crate = "twice@1", reason = "another has not gone on" }]
[sources]
unknown-registry = "deny"
unknown-git = "deny"
allow-registry = ["https://github.com/rust-lang/crates.io-index"]
[advisories]
yanked = "deny"
"""


def package(name, version="1.0.0", licence="MIT", source=REGISTRY, dependencies=(), manifest="/nowhere/Cargo.toml"):
    listed = [{"name": name, "req": req, "kind": None} for name, req in dependencies]
    return {"name": name, "version": version, "license": licence, "source": source, "dependencies": listed, "manifest_path": manifest}


class Rules(unittest.TestCase):
    def setUp(self):
        self.policy = tomllib.loads(POLICY)
        self.packages = [package("plain"), package("either", licence="Apache-2.0/Zlib"), package("odd", licence="CC0-1.0"),
                         package("twice", "1.2.3"), package("twice", "2.0.0"), package("h2", "0.4.16")]
        self.own = [package("ours", source=None, dependencies=[("plain", "^1"), ("h2", "^0.4.16")])]
        self.lock, self.index = {}, {}

    def faults(self):
        lock = {crates.key(package): {"checksum": "0" * 64} for package in self.packages} | self.lock
        index = {crates.key(package): {"yanked": False} for package in self.packages} | self.index
        return list(dependencies.faults_of(self.policy, self.packages, self.own, lock, index))

    def assert_only(self, fault):
        self.assertEqual(self.faults(), [fault])

    def test_a_good_tree_has_no_fault(self):
        self.assertEqual(self.faults(), [])

    def test_a_licence_that_is_not_allowed(self):
        for licence in ["GPL-3.0-only", "MIT AND GPL-3.0-only", "MIT WITH Classpath-exception-2.0", "", None, "MIT OR", "(MIT"]:
            with self.subTest(licence):
                self.packages[0] = package("plain", licence=licence)
                self.assert_only(f"plain 1.0.0: licence `{licence or ''}` is not allowed")

    def test_expressions_that_can_be_satisfied(self):
        for licence in ["GPL-3.0-only OR MIT", "(GPL-3.0-only OR MIT) AND Zlib", "GPL-3.0-only/MIT", "MIT AND Zlib OR GPL-3.0-only"]:
            with self.subTest(licence):
                self.packages[0] = package("plain", licence=licence)
                self.assertEqual(self.faults(), [])

    def test_an_exception_is_for_one_crate(self):
        self.packages[0] = package("plain", licence="CC0-1.0")
        self.assert_only("plain 1.0.0: licence `CC0-1.0` is not allowed")

    def test_an_exception_without_need(self):
        self.packages[2] = package("odd")
        self.assert_only("deny.toml: the exception for `odd` is not needed")

    def test_an_allowed_licence_that_nothing_has(self):
        self.packages[1] = package("either")
        self.assert_only("deny.toml: nothing has the allowed licence `Zlib`")

    def test_a_clarification_holds_for_the_text_that_was_read(self):
        with tempfile.TemporaryDirectory() as folder:
            text = pathlib.Path(folder, "LICENSE")
            text.write_text("may be used")
            files = [{"path": "LICENSE", "hash": zlib.crc32(b"may be used")}]
            self.policy["licenses"]["clarify"] = [{"crate": "plain", "expression": "MIT", "license-files": files}]
            self.packages[0] = package("plain", licence=None, manifest=f"{folder}/Cargo.toml")
            self.assertEqual(self.faults(), [])
            text.write_text("may not be used")
            self.assert_only("plain 1.0.0: `LICENSE` is not the licence that deny.toml clarifies")

    def test_a_clarification_of_nothing(self):
        self.policy["licenses"]["clarify"] = [{"crate": "gone", "expression": "MIT", "license-files": []}]
        self.assert_only("deny.toml: `gone`, which is clarified, is not linked")

    def test_a_banned_crate(self):
        self.packages.append(package("ring"))
        self.assert_only("ring 1.0.0 is banned: one crypto library")

    def test_a_banned_crate_may_have_users_that_are_named(self):
        self.policy["bans"]["deny"][0]["wrappers"] = ["plain"]
        self.packages[0] = package("plain", dependencies=[("ring", "^1")])
        self.packages.append(package("ring"))
        self.assertEqual(self.faults(), [])
        self.own[0] = package("ours", source=None, dependencies=[("ring", "^1")])
        self.assert_only("ring 1.0.0 is banned: one crypto library")

    def test_a_banned_version(self):
        self.packages[-1] = package("h2", "0.4.15")
        self.assert_only("h2 0.4.15 is banned: an advisory")

    def test_a_version_that_cargo_deny_would_read_otherwise(self):
        self.policy["bans"]["deny"][1]["crate"] = "h2@<0.4.16"
        self.assertIn("deny.toml: `h2@<0.4.16` is none of `name`, `name@1.2` and `name:<1.2.3`", self.faults())

    def test_what_is_left_out_of_what_is_looked_at(self):
        for table, key in dependencies.EVERYTHING:
            with self.subTest(key):
                self.policy = tomllib.loads(POLICY)
                del self.policy[table][key]
                self.assert_only(f"deny.toml: `{table}.{key}` is not `true`")

    def test_a_dependency_of_any_version(self):
        for place in [self.packages, self.own]:
            with self.subTest(place[0]["name"]):
                before = copy.deepcopy(place[0])
                place[0]["dependencies"] = [{"name": "h2", "req": "*", "kind": None}]
                self.assert_only(f"{dependencies.title(place[0])}: any version of `h2` will do")
                place[0] = before

    def test_two_versions_of_one_crate(self):
        self.packages.append(package("plain", "2.0.0"))
        self.assert_only("`plain` is linked in several versions: 1.0.0, 2.0.0")

    def test_a_skipped_version_leaves_one_and_no_more(self):
        self.packages.append(package("twice", "3.0.0"))
        self.assert_only("`twice` is linked in several versions: 2.0.0, 3.0.0")

    def test_a_skip_without_need(self):
        del self.packages[4]
        self.assert_only("deny.toml: `twice@1` is skipped without need")

    def test_a_source_that_is_not_allowed(self):
        for source, shown in [(None, "a folder"), ("registry+https://other.example/", None), ("git+https://github.com/a/b#1", None)]:
            with self.subTest(source):
                self.packages[0] = package("plain", source=source)
                self.assert_only(f"plain 1.0.0: source `{shown or source}` is not allowed")

    def test_a_git_repository_that_is_allowed(self):
        self.policy["sources"]["allow-git"] = ["https://github.com/a/b"]
        self.packages[0] = package("plain", source="git+https://github.com/a/b?rev=1#1")
        self.assertEqual(self.faults(), [])

    def test_a_package_without_a_checksum(self):
        self.lock = {("plain", "1.0.0"): {}}
        self.assert_only("plain 1.0.0: Cargo.lock has no checksum")

    def test_a_yanked_version(self):
        self.index = {("plain", "1.0.0"): {"yanked": True}}
        self.assert_only("plain 1.0.0 has been yanked from the registry")

    def test_a_version_that_the_registry_does_not_know(self):
        self.index = {("plain", "1.0.0"): None}
        self.assert_only("plain 1.0.0: the registry's index says nothing of it")

    def test_a_key_that_nobody_enforces(self):
        self.policy["bans"]["allow"] = []
        self.policy["bans"]["deny"][0]["features"] = ["std"]
        self.assertEqual(self.faults(), ["deny.toml: `bans.allow` is not enforced", "deny.toml: `bans.deny[].features` is not enforced"])

    def test_a_ban_without_a_reason(self):
        del self.policy["bans"]["skip"][0]["reason"]
        self.assert_only("deny.toml: `bans.skip` has an entry without a reason: {'crate': 'twice@1'}")

    def test_a_rule_that_only_warns(self):
        for table, key in dependencies.DENIED:
            with self.subTest(key):
                self.policy = tomllib.loads(POLICY)
                self.policy[table][key] = "warn"
                self.assert_only(f"deny.toml: `{table}.{key}` is not `deny`")


class Index(unittest.TestCase):
    def test_cargos_own_copy_is_read(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, "plain")
            path.write_bytes(b"\3\2\0\0\0tag\0" b'1.0.0\0{"vers": "1.0.0", "yanked": false}\0' b'1.0.1\0{"vers": "1.0.1", "yanked": true}\0')
            found = {version: entry["yanked"] for version, entry in dependencies.cached(path)}
            self.assertEqual(found, {"1.0.0": False, "1.0.1": True})
            self.assertEqual(list(dependencies.cached(pathlib.Path(folder, "absent"))), [])

    def test_crates_lie_where_the_index_has_them(self):
        folders = [dependencies.folder(name) for name in ["a", "ab", "abc", "abcd", "Inflector"]]
        self.assertEqual(folders, ["1", "2", "3/a", "ab/cd", "in/fl"])


if __name__ == "__main__":
    unittest.main()
