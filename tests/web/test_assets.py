import gzip

from orch.package_files import resource
from orch.web.assets import IMMUTABLE, REVALIDATE, Assets

FILES = {
    "js/pages/one.js": b'import { a } from "../shared/a.js";\nimport "../shared/b.js";\n',
    "js/shared/a.js": b'import {\n  b,\n} from "./b.js";\nexport const a = b;\n',
    "js/shared/b.js": b"export const b = 1;\n",
    "js/far.js": b'export * from "./shared/a.js";\n',
    "css/tokens.css": b":root { --text: #e8edf3; }\n" * 100,
    "picture.png": bytes(range(256)) * 8,
}


def test_a_change_in_one_file_changes_the_address_of_all() -> None:
    """A page load across a deployment never mixes two versions."""
    before = Assets(FILES)
    after = Assets(FILES | {"js/shared/b.js": b"export const b = 2;\n"})
    assert before.version == Assets(FILES).version
    assert before.url("css/tokens.css") != after.url("css/tokens.css")


def test_only_the_current_version_is_immutable() -> None:
    """A page from before an upgrade gets its files, but caches do not store them under the old address."""
    assets = Assets(FILES)
    assert assets.split(f"{assets.version}/css/tokens.css") == ("css/tokens.css", IMMUTABLE)
    assert assets.split("v-0000000000/css/tokens.css") == ("css/tokens.css", REVALIDATE)
    assert assets.split("css/tokens.css") == ("css/tokens.css", REVALIDATE)


def test_files_are_compressed_where_that_makes_them_smaller() -> None:
    """A picture or a tiny file is not made larger."""
    assets = Assets(FILES)
    packed, picture, tiny = (assets.get(path) for path in ("css/tokens.css", "picture.png", "js/shared/b.js"))
    assert packed is not None
    assert packed.compressed is not None
    assert gzip.decompress(packed.compressed) == packed.body
    assert picture is not None
    assert picture.content_type == "image/png"
    assert tiny is not None
    assert tiny.compressed is None


def test_what_is_sent_is_made_once() -> None:
    """Every reader after the first gets the same bytes."""
    packed = Assets(FILES).get("css/tokens.css")
    assert packed is not None
    assert packed.compressed is packed.compressed
    assert packed.body is packed.body


def test_all_modules_of_a_page_are_known_in_advance() -> None:
    """Imports over several lines, bare imports and re-exports are followed, each module once."""
    assets = Assets(FILES)
    assert assets.modules("js/pages/one.js") == ("js/shared/a.js", "js/shared/b.js")
    assert assets.modules("js/far.js") == ("js/shared/a.js", "js/shared/b.js")
    assert assets.modules(None) == ()


def test_every_import_in_our_scripts_is_an_existing_file() -> None:
    """A renamed module is found here, not in the user's console."""
    assets = Assets.load(resource("static"))
    missing = [(asset.path, path) for asset in assets for path in asset.imports if assets.get(path) is None]
    assert missing == []
