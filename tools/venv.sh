# shellcheck shell=bash
# Sourced by run, test, bench, build, profile_scan and .ci: virtual environments and the Pythons of this machine.

# ensure_venv DIRECTORY PYTHON EXTRAS: create a virtual environment with this checkout in it, unless it is up to date.
ensure_venv() {
    local venv=$1 python=$2 extras=$3
    # The stamp is written last: an interrupted set-up is repeated, and so is one older than its sources. The stamp
    # holds the state of the compiled reader: built, none (compilation failed), without (no compiler yet).
    local sources=("$root"/scanner/kernel/*.c)
    if [ -e "$venv/.ready" ] && [ -z "$(find "$root/pyproject.toml" "$root"/setup.* "$root"/scanner/kernel/*.[ch] -newer "$venv/.ready")" ]; then
        case $(cat "$venv/.ready") in
        built) all_built && return ;;
        without) command -v cc >/dev/null || return 0 ;;
        none) return ;;
        esac
    fi
    check_python "$python"
    # editable_mode=compat: one line in a .pth file; the default adds 10 ms to every start
    echo "${0##*/}: setting up $venv (once)" >&2
    rm -rf "$venv" "${sources[@]/%.c/.abi3.so}"
    "$python" -m venv "$venv" >&2 &&
        "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --editable "$root$extras" \
            --config-settings editable_mode=compat >&2 &&
        compiled_state >"$venv/.ready" || {
        echo "${0##*/}: cannot set up $venv: see above; the packages of $root/pyproject.toml${extras:+, extra $extras,} are required" >&2
        exit 3
    }
    if [ "$(uname)" = Linux ] && ! all_built; then
        echo "${0##*/}: no C compiler or no Python.h: using the slower reader in Python;" \
            "for the compiled one: apt-get install gcc python3-dev && rm -r $venv" >&2
    fi
}

# check_python PYTHON: end the script with status 2 unless it is new enough and can create environments.
check_python() {
    if ! "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        echo "${0##*/}: '$1' is not Python 3.11 or newer: name one with PYTHON=... or --python ..." >&2
        exit 2
    fi
    if ! "$1" -c 'import ensurepip, venv' 2>/dev/null; then
        echo "${0##*/}: '$1' cannot create virtual environments: on Debian, apt-get install python3-venv" >&2
        exit 2
    fi
}

# all_pythons: print the path of one Python per version from 3.11 on: those on PATH first, then those of pyenv.
all_pythons() {
    local minor python
    for minor in 11 12 13 14 15; do
        for python in "python3.$minor" "${PYENV_ROOT:-$HOME/.pyenv}"/versions/"3.$minor".*/bin/python; do
            if "$python" -c 'import ensurepip, venv' 2>/dev/null; then # pyenv puts stubs on PATH that fail
                command -v "$python"
                break
            fi
        done
    done
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
