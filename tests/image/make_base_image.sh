#!/bin/bash
# Make a stand-in for the image debian:bookworm-slim out of Debian's own packages, where no image registry can be
# reached (CI). A genuine debian:bookworm-slim, and a stand-in that is up to date, are left as they are.
#
#   tests/image/make_base_image.sh             needs root, a running Docker engine, and debootstrap or apt-get
#
# The stand-in carries what this machine needs to reach its package sources, and the Dockerfile must not know: its
# certificates and pip's settings, under /usr/local/share/host, where no Debian package writes.
set -euo pipefail

image=debian:bookworm-slim
label=stand-in-for-debian-slim
pip=${PIP:-python3 -m pip}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# -- what the host says ------------------------------------------------------------------------------------------
# Settings that name files of this machine, such as find-links or a constraint, mean nothing inside an image.
pip_setting() { $pip config list 2>/dev/null | sed -nE "s/^(global|:env:)\.$1='(.*)'\$/\2/p" | tail -1; }
remote_only() { tr ' ' '\n' | grep -E '^https?://' | paste -sd ' ' || true; }

certificates=$(pip_setting cert)
certificates=${certificates:-/etc/ssl/certs/ca-certificates.crt}
{
    echo "[global]"
    echo "disable-pip-version-check = true"
    [[ -r $certificates ]] && echo "cert = /usr/local/share/host/ca-bundle.crt"
    for name in index-url extra-index-url trusted-host proxy default-timeout; do
        value=$(pip_setting "$name")
        [[ $name == *index-url ]] && value=$(remote_only <<<"$value")
        [[ -n $value ]] && echo "${name/default-/} = $value"
    done
    true
} >"$work/pip.conf"

mirror=
if grep -q '^ID=debian' /etc/os-release; then
    mirror=$(apt-get indextargets --format '$(CODENAME) $(REPO_URI)' 'Created-By: Packages' 2>/dev/null | awk '$1 == "bookworm" {print $2; exit}')
fi

# -- is there anything to do? ------------------------------------------------------------------------------------
stamp=$(cat "$0" "$work/pip.conf" "$certificates" 2>/dev/null | sha256sum | cut -c1-16)
if found=$(docker image inspect --format "{{index .Config.Labels \"$label\"}}" "$image" 2>/dev/null); then
    if [[ -z $found || $found == "$stamp" ]]; then
        echo "$image: there already"
        exit 0
    fi
fi

# -- a minimal Debian, without what the slim image lacks too -----------------------------------------------------
if ! command -v debootstrap >/dev/null; then
    export DEBIAN_FRONTEND=noninteractive
    timeout 300 apt-get update -qq
    timeout 300 apt-get install -y -qq --no-install-recommends debootstrap >/dev/null
fi
root=$work/root
if ! timeout 900 debootstrap --variant=minbase bookworm "$root" ${mirror:+"$mirror"} >"$work/log" 2>&1; then
    tail -20 "$work/log" "$root/debootstrap/debootstrap.log" >&2 || true
    exit 1
fi
cat >"$root/etc/dpkg/dpkg.cfg.d/slim" <<'END'
path-exclude /usr/share/doc/*
path-include /usr/share/doc/*/copyright
path-exclude /usr/share/info/*
path-exclude /usr/share/locale/*
path-exclude /usr/share/man/*
END
cat >"$root/etc/apt/apt.conf.d/slim" <<'END'
DPkg::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb"; };
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
END
rm -rf "$root"/usr/share/{info,locale,man}/* "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/*
find "$root/var/log" -type f -delete
find "$root/usr/share/doc" -type f ! -name copyright -delete

install -d "$root/usr/local/share/host"
[[ -r $certificates ]] && install -m 644 "$certificates" "$root/usr/local/share/host/ca-bundle.crt"
install -m 644 "$work/pip.conf" "$root/etc/pip.conf"

tar -C "$root" --numeric-owner -c . |
    docker import --change 'CMD ["bash"]' --change "LABEL $label=$stamp" - "$image" >/dev/null
echo "$image: made from Debian's packages"
