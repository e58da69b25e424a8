# Sets Impasto up in this clone, paints a first picture, and leaves the server ready for the plugins.
#
#   powershell -ExecutionPolicy Bypass -File installers\run.ps1          install if needed, start, inpaint
#   powershell -ExecutionPolicy Bypass -File installers\run.ps1 -Once    the same, then stop the server
#
# The twin of run.sh; environment.sh says what stamp and marker are for.
param([switch]$Once)
$ErrorActionPreference = "Stop"
$Root = Split-Path -Parent $PSScriptRoot
$Venv = Join-Path $Root ".venv"
$Python = Join-Path $Venv "Scripts\python.exe"
$Impasto = Join-Path $Venv "Scripts\impasto.exe"
$Marker = Join-Path $Venv "impasto-installing"
$Stamp = Join-Path $Venv "impasto-stamp"
$CudaWheels = "https://download.pytorch.org/whl/cu130"

function Say($Text) { Write-Host "impasto: $Text" }

function Fail($Text) {
    [Console]::Error.WriteLine("impasto: $Text")
    exit 1
}

# PowerShell 7.4 can turn a program's exit code into an exception; the callers here look at $LASTEXITCODE.
$PSNativeCommandUseErrorActionPreference = $false

function Find-Python {
    $candidates = @("py -3", "python3", "python")
    if ($env:PYTHON) { $candidates = @($env:PYTHON) }
    foreach ($candidate in $candidates) {
        $parts = $candidate -split " "
        if ($env:PYTHON) { $parts = @($env:PYTHON) }
        if (-not (Get-Command $parts[0] -ErrorAction SilentlyContinue)) { continue }
        $rest = @($parts | Select-Object -Skip 1)
        & $parts[0] @rest -c "import sys, venv; sys.exit(sys.version_info < (3, 10))" 2>$null
        if ($LASTEXITCODE -eq 0) { return , $parts }
    }
    Fail "Python 3.10 or newer is needed and none was found. Install it from python.org, then start this script again."
}

function Get-Fingerprint {
    $text = (Get-Content -Raw (Join-Path $Root "constraints.txt")) + (Get-Content -Raw (Join-Path $Root "pyproject.toml"))
    $sha = [System.Security.Cryptography.SHA256]::Create()
    return [BitConverter]::ToString($sha.ComputeHash([Text.Encoding]::UTF8.GetBytes($text)))
}

function Test-Ready {
    if (-not (Test-Path $Python) -or (Test-Path $Marker) -or -not (Test-Path $Stamp)) { return $false }
    return (Get-Content -Raw $Stamp).Trim() -eq (Get-Fingerprint)
}

function Install-Packages([string[]]$Arguments) {
    & $Python -m pip install --disable-pip-version-check @Arguments
    if ($LASTEXITCODE -ne 0) {
        Remove-Item $Marker -ErrorAction SilentlyContinue
        Fail "The installation stopped (see above). What was downloaded is kept; start this script again to go on."
    }
}

function New-Environment {
    $nvidia = [bool](Get-Command nvidia-smi -ErrorAction SilentlyContinue)
    $needed = 3000
    if ($nvidia) { $needed = 12000 }
    $free = [int]((Get-Item $Root).PSDrive.Free / 1MB)
    if ($free -lt $needed) {
        Fail "Installing needs $needed MiB and $Root has $free MiB free. Free some space and start this script again."
    }
    Say "Disk: $free MiB free, $needed MiB needed."
    if ((Test-Path $Impasto) -and -not (Test-Path $Marker)) { & $Impasto stop *> $null }
    if ((Test-Path $Marker) -or -not (Test-Path $Python)) {
        $found = Find-Python
        Say "Making $Venv."
        if (Test-Path $Venv) { Remove-Item -Recurse -Force $Venv }
        New-Item -ItemType Directory $Venv | Out-Null
        New-Item -ItemType File $Marker | Out-Null
        $rest = @($found | Select-Object -Skip 1)
        & $found[0] @rest -m venv $Venv
        if ($LASTEXITCODE -ne 0) { Fail "The virtual environment could not be made (see above)." }
    }
    New-Item -ItemType File -Force $Marker | Out-Null
    $constraints = Join-Path $Root "constraints.txt"
    if ($nvidia) {
        # On Windows PyPI's own build is for the CPU; the one for NVIDIA cards lies on PyTorch's index.
        $pin = (Select-String -Path $constraints -Pattern "^torch==\S+").Matches[0].Value
        Say "NVIDIA card found: installing PyTorch with CUDA (about 3 GB)."
        & $Python -m pip install --disable-pip-version-check --no-deps --index-url $CudaWheels $pin
        if ($LASTEXITCODE -ne 0) { Say "PyTorch's own index could not be used; taking the CPU build." }
    }
    Say "Installing Impasto and what it needs. The first time takes a few minutes."
    Install-Packages @("-c", $constraints, "-e", $Root)
    Set-Content -Path $Stamp -Value (Get-Fingerprint)
    Remove-Item $Marker
}

if (-not (Test-Ready)) { New-Environment }

& $Impasto demo
$status = $LASTEXITCODE
if ($Once) {
    & $Impasto stop
} elseif ($status -eq 0) {
    Say "The server is running and ready for the plugins. Stop it with: .venv\Scripts\impasto stop"
}
exit $status
