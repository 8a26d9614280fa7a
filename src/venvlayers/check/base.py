"""What every system of a platform has, so that no layer has to: libraries, and their versions.

Linux: the policies of manylinux (PEP 513, 571, 599, 600; as `auditwheel` records them).
macOS: what Apple ships below ``/usr/lib`` and ``/System``. Windows: the libraries of its
documented interfaces, which are in its system directory since Windows 10.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache

from venvlayers.platforms import Targets

_MANYLINUX = """
    libGL.so.1 libICE.so.6 libSM.so.6 libX11.so.6 libXext.so.6 libXrender.so.1 libanl.so.1
    libatomic.so.1 libc.so.6 libdl.so.2 libexpat.so.1 libgcc_s.so.1 libglib-2.0.so.0
    libgobject-2.0.so.0 libgthread-2.0.so.0 libm.so.6 libmvec.so.1 libnsl.so.1 libpthread.so.0
    libresolv.so.2 librt.so.1 libstdc++.so.6 libutil.so.1 libz.so.1
    ld-linux-x86-64.so.2 ld-linux-aarch64.so.1
"""

_GLIBCXX = {5: 8, 12: 13, 17: 19, 24: 22, 27: 24, 31: 28, 34: 29, 35: 30, 39: 33}
"""The newest ``GLIBCXX_3.4.N`` on systems with glibc 2.x, by x."""

_APPLE = ("/usr/lib/", "/System/Library/", "/System/iOSSupport/")

_WINDOWS = """
    aclui activeds adsldpc advapi32 advpack amstream apphelp asycfilt authz avicap32 avifil32
    avrt bcp47langs bcrypt bcryptprimitives bluetoothapis cabinet cfgmgr32 chakra clbcatq
    clusapi combase comctl32 comdlg32 comsvcs coremessaging credui crypt32 cryptbase cryptdlg
    cryptdll cryptnet cryptsp cryptui cryptxml d2d1 d3d10 d3d10_1 d3d10core d3d11 d3d11on12
    d3d12 d3d8 d3d9 d3dcompiler_47 davclnt dbgcore dbgeng dbghelp dciman32 dcomp ddraw devmgr
    devobj dhcpcsvc dhcpcsvc6 dinput dinput8 directml dnsapi dpapi dpx drt dsound dsparse
    dsprop dsrole dsuiext dui70 duser dwmapi dwmcore dwrite dxcore dxgi dxva2 eappcfg elscore
    esent evr explorerframe faultrep fltlib fontsub fwpuclnt fxsapi gdi32 gdi32full gdiplus
    glu32 hhctrl.ocx hid hlink hnetcfg httpapi icm32 icmp icu icuin icuuc imagehlp imgutil
    imm32 inetcomm inetmib1 inkobjcore iphlpapi jsproxy kernel32 kernelbase ksuser ktmw32
    loadperf logoncli lz32 mapi32 mf mfc42 mfc42u mfcore mfplat mfplay mfreadwrite mgmtapi mi
    mlang mmdevapi mpr mprapi msacm32 mscat32 mscms mscoree msctf msdelta msdmo msdrm msftedit
    mshtml msi msimg32 msimtf mspatcha msports msrating mssip32 mstask msvcirt msvcp60
    msvcp_win msvcrt msvfw32 mswsock mtxdm ncrypt ndfapi netapi32 netbios netutils newdev
    ninput normaliz nsi ntdll ntdsapi ntlanman ntmarta ntshrui odbc32 odbcbcp odbccp32
    odbctrac ole32 oleacc oleaut32 oledlg oleprn opengl32 p2p p2pgraph pdh photowiz powrprof
    printui prntvpt profapi propsys psapi pstorec qedit quartz query qwave rasapi32 rasdlg
    resutils rometadata rpchttp rpcns4 rpcrt4 rstrtmgr rtm rtutils samcli sas scarddlg
    schannel schedcli secur32 security sendmail sensapi sensorsapi setupapi sfc shcore shdocvw
    shell32 shfolder shlwapi slc slcext slwga snmpapi softpub srclient srvcli sspicli sti sxs
    t2embed tapi32 taskschd tbs tdh themeui traffic twinapi txfw32 ucrtbase uiautomationcore
    uiribbon upnp urlmon user32 userenv usp10 utildll uxtheme version virtdisk vssapi wcmapi
    wdi wdscore webauthn webio webservices websocket wecapi wer wevtapi winbio winbrand
    wincorlib windows.storage windowscodecs winfax winhttp wininet winmm winnsi winscard
    winspool.drv winsta wintrust winusb wkscli wlanapi wlanutil wldap32 wldp wmasf wmi wmsgapi
    wmvcore wpc ws2_32 wscapi wsdapi wshbth wsmsvc wsnmp32 wsock32 wtsapi32 wuapi xaudio2_8
    xaudio2_9 xinput1_4 xinput9_1_0 xmllite xolehlp xwizards
"""
_WINDOWS_SETS = re.compile(r"(api|ext)-(ms|windows)-.*\.dll")
_OF_PYTHON = re.compile(
    r"python[0-9.]+t?(_d)?\.dll|vcruntime140(_1)?\.dll|libpypy[0-9.]+-c\.dll"
    r"|libpython[0-9.]+t?(\.so(\.[0-9.]+)?|\.dylib)|libpypy[0-9.]+-c\.(so|dylib)"
)


@cache
def _names(listed: str) -> frozenset[str]:
    return frozenset(listed.split())


@lru_cache(maxsize=10_000)  # most libraries need the same ones
def is_of_system(library: str, sys_platform: str) -> bool:
    """Tell whether every system of a platform has a library, or every Python for it does.

    Args:
        library: As a binary names it, in lower case on Windows.
        sys_platform: As `sys.platform` there.
    """
    if _OF_PYTHON.fullmatch(library.rpartition("/")[2]):
        return True
    if sys_platform == "darwin":
        return library.startswith(_APPLE)
    if sys_platform == "win32":
        name = library.removesuffix(".dll")
        return name in _names(_WINDOWS) or bool(_WINDOWS_SETS.fullmatch(library))
    return library in _names(_MANYLINUX)


@lru_cache(maxsize=10_000)
def newer_symbols(version: str, targets: Targets) -> tuple[str, tuple[int, ...]] | None:
    """Return what a version of symbols is of, and its number, if the oldest Linux lacks it.

    Args:
        version: Such as ``GLIBC_2.34`` or ``GLIBCXX_3.4.29``; of others nothing is known.
        targets: The oldest systems.
    """
    if version == "GLIBC_ABI_DT_RELR":  # not a number, and came with one
        version = "GLIBC_2.36"
    library, _, text = version.partition("_")
    parts = text.split(".")
    if not all(part.isdecimal() for part in parts):
        return None
    number = tuple(map(int, parts))
    oldest = {"GLIBC": targets.glibc, "GLIBCXX": _oldest_libstdcxx(targets.glibc)}.get(library)
    return (f"{library}_", number) if oldest and number[: len(oldest)] > oldest else None


def _oldest_libstdcxx(glibc: tuple[int, int]) -> tuple[int, ...]:
    """Return the newest version of symbols of the C++ library beside *glibc*; () if unknown."""
    known = [newest for minor, newest in _GLIBCXX.items() if (2, minor) <= glibc]
    return (3, 4, known[-1]) if known else ()
