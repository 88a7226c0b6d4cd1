# shellcheck shell=bash
# Sourced by run, test and .ci/run: ensure_venv DIRECTORY PYTHON EXTRAS sets up a virtual environment, once.

ensure_venv() {
    local venv=$1 python=$2 extras=$3
    # The stamp is written last, so an interrupted set-up is done again; it is older than what has changed since. It
    # says what became of the compiled modules: without a compiler (it may come later), none (it has failed), built.
    local sources=("$root"/scanner/kernel/*.c)
    if [ -e "$venv/.ready" ] && [ -z "$(find "$root/pyproject.toml" "$root"/scanner/kernel/*.[ch] -newer "$venv/.ready")" ]; then
        case $(cat "$venv/.ready") in
        built) all_built && return ;;
        without) command -v cc >/dev/null || return 0 ;;
        none) return ;;
        esac
    fi
    if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        echo "${0##*/}: '$python' is not a Python of version 3.11 or newer; name one with PYTHON=... or --python ..." >&2
        return 2
    fi
    if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        echo "${0##*/}: '$python' cannot make virtual environments; on Debian: apt-get install python3-venv" >&2
        return 2
    fi
    # editable_mode=compat: a plain line in a .pth file; the other way costs 10 ms at every start
    echo "${0##*/}: setting up $venv (once)" >&2
    rm -rf "$venv" "${sources[@]/%.c/.abi3.so}"
    "$python" -m venv "$venv" >&2 &&
        "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --editable "$root$extras" \
            --config-settings editable_mode=compat >&2 &&
        compiled_state >"$venv/.ready"
}

all_built() {
    local source
    for source in "$root"/scanner/kernel/*.c; do
        [ -e "${source%.c}.abi3.so" ] || return
    done
}

compiled_state() {
    if all_built; then
        echo built
    elif command -v cc >/dev/null; then
        echo none
    else
        echo without
    fi
}
